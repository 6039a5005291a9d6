DROP INDEX users_by_deletion;
DROP INDEX users_deleted;
CREATE INDEX users_deleted ON users (tenant_id, deleted_at) WHERE deleted_at IS NOT NULL;
DROP INDEX users_present;
