//! Finds changed, removed, inserted and truncated audit records.
