//! `rekey user ...` and `rekey hardware-oath ...`.
