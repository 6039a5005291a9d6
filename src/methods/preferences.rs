//! Which method a user is asked for first: Graph's `signInPreferences`.
