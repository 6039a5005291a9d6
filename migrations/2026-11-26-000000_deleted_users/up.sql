-- Deleted users stand in nobody's way: the present ones are walked without them, and they without the present ones. The
-- same rules as before: one portable set, tenant_id first in every key.

CREATE INDEX users_present ON users (tenant_id, user_id) WHERE deleted_at IS NULL;
DROP INDEX users_deleted;
CREATE INDEX users_deleted ON users (tenant_id, user_id) WHERE deleted_at IS NOT NULL;
-- Who was deleted too long ago to be restored.
CREATE INDEX users_by_deletion ON users (deleted_at, tenant_id, user_id) WHERE deleted_at IS NOT NULL;
