//! `rekey audit ...`.
