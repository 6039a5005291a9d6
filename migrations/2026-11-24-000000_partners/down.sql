ALTER TABLE tenants DROP COLUMN mfa_reset_approval_threshold;
DROP TABLE mfa_reset_items;
DROP TABLE mfa_reset_parts;
DROP TABLE mfa_resets;
DROP TABLE relationship_operations;
DROP TABLE relationship_requests;
DROP TABLE access_assignments;
DROP TABLE relationships;
