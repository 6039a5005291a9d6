//! Whether a user must use MFA, and must register again: Graph's `requirements`, and ours.
