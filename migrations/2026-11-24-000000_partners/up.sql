-- Partners who administer customers, and resets of many users. The same rules as before: one portable set, tenant_id
-- first in every key.

-- Graph's delegatedAdminRelationship. The tenant is the partner.
CREATE TABLE relationships (
    tenant_id TEXT NOT NULL,
    relationship_id TEXT NOT NULL,
    -- Nobody until a customer approves, when the partner named nobody.
    customer_tenant_id TEXT,
    -- As the partner says until the customer approves, then as the customer is called.
    customer_display_name TEXT,
    display_name TEXT NOT NULL,
    -- ISO 8601, as it was asked for.
    duration TEXT NOT NULL,
    auto_extend_duration TEXT NOT NULL,
    -- JSON list of role template ids.
    roles TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    activated_at BIGINT,
    ends_at BIGINT,
    -- From when on it is about to end; null while it extends itself.
    expiring_at BIGINT,
    version BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, relationship_id)
);
CREATE UNIQUE INDEX relationships_by_id ON relationships (relationship_id);
CREATE UNIQUE INDEX relationships_by_name ON relationships (tenant_id, display_name);
CREATE INDEX relationships_by_customer ON relationships (customer_tenant_id, relationship_id) WHERE customer_tenant_id IS NOT NULL;
CREATE INDEX relationships_of_partner ON relationships (tenant_id, customer_tenant_id, relationship_id) WHERE customer_tenant_id IS NOT NULL;
CREATE INDEX relationships_by_end ON relationships (ends_at) WHERE status = 'active';

-- Which of the partner's applications and users use which of a relationship's roles.
CREATE TABLE access_assignments (
    tenant_id TEXT NOT NULL,
    relationship_id TEXT NOT NULL,
    assignment_id TEXT NOT NULL,
    container_type TEXT NOT NULL,
    -- An application's or user's id.
    container_id TEXT NOT NULL,
    roles TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, relationship_id, assignment_id)
);
CREATE UNIQUE INDEX access_assignments_by_container ON access_assignments (tenant_id, container_id, relationship_id);

CREATE TABLE relationship_requests (
    tenant_id TEXT NOT NULL,
    relationship_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, relationship_id, request_id)
);

-- Graph's delegatedAdminRelationshipOperation: what became of a change of an assignment.
CREATE TABLE relationship_operations (
    tenant_id TEXT NOT NULL,
    relationship_id TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    operation_type TEXT NOT NULL,
    -- JSON: the assignment as it was asked for.
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, relationship_id, operation_id)
);
CREATE INDEX relationship_operations_by_age ON relationship_operations (created_at);

-- A reset of many users, possibly of many tenants. The tenant is the one of whoever created it.
CREATE TABLE mfa_resets (
    tenant_id TEXT NOT NULL,
    mfa_reset_id TEXT NOT NULL,
    status TEXT NOT NULL,
    -- Rises with every change of status.
    version BIGINT NOT NULL,
    -- JSON: what is asked for, and by whom.
    request TEXT NOT NULL,
    creator TEXT NOT NULL,
    creator_id TEXT NOT NULL,
    creator_display_name TEXT NOT NULL,
    confirmed_by_id TEXT,
    confirmed_by_display_name TEXT,
    -- Whether users of other tenants are among them.
    has_customers BOOLEAN NOT NULL,
    duplicate_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT,
    finished_at BIGINT,
    -- An upload that is not complete, or a preview that nobody confirms, ends at this moment.
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, mfa_reset_id)
);
CREATE UNIQUE INDEX mfa_resets_by_id ON mfa_resets (mfa_reset_id);
CREATE INDEX mfa_resets_by_time ON mfa_resets (tenant_id, created_at, mfa_reset_id);
CREATE INDEX mfa_resets_by_creator ON mfa_resets (tenant_id, creator_id, created_at, mfa_reset_id);
CREATE INDEX mfa_resets_open ON mfa_resets (expires_at) WHERE status IN ('receiving', 'awaitingConfirmation');

-- What one reset does in one tenant; also the unit of work: claimed by moving due_at.
CREATE TABLE mfa_reset_parts (
    tenant_id TEXT NOT NULL,
    mfa_reset_id TEXT NOT NULL,
    target_tenant_id TEXT NOT NULL,
    -- Null unless the creator may know it.
    display_name TEXT,
    status TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    -- JSON list of filters still to be looked up, and the last user of the first that was.
    selections TEXT NOT NULL,
    selected_until TEXT,
    -- JSON: the preview.
    summary TEXT NOT NULL,
    queued_count BIGINT NOT NULL,
    pending_count BIGINT NOT NULL,
    done_count BIGINT NOT NULL,
    nothing_to_do_count BIGINT NOT NULL,
    not_found_count BIGINT NOT NULL,
    not_permitted_count BIGINT NOT NULL,
    failed_count BIGINT NOT NULL,
    cancelled_count BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, mfa_reset_id, target_tenant_id)
);
CREATE INDEX mfa_reset_parts_of_target ON mfa_reset_parts (target_tenant_id) WHERE status = 'running';
CREATE INDEX mfa_reset_parts_due ON mfa_reset_parts (due_at) WHERE status IN ('previewing', 'running');

-- One user of a reset.
CREATE TABLE mfa_reset_items (
    tenant_id TEXT NOT NULL,
    mfa_reset_id TEXT NOT NULL,
    item_number BIGINT NOT NULL,
    target_tenant_id TEXT NOT NULL,
    -- As the caller named the user; null when a filter found the user.
    named TEXT,
    reason TEXT,
    user_id TEXT,
    user_principal_name TEXT,
    status TEXT NOT NULL,
    -- JSON: what the preview saw would go.
    planned TEXT,
    -- JSON: why it did not happen.
    problem TEXT,
    -- JSON: what was done.
    report TEXT,
    finished_at BIGINT,
    PRIMARY KEY (tenant_id, mfa_reset_id, item_number)
);
CREATE INDEX mfa_reset_items_by_part ON mfa_reset_items (tenant_id, mfa_reset_id, target_tenant_id, status, user_id, item_number);
CREATE INDEX mfa_reset_items_by_status ON mfa_reset_items (tenant_id, mfa_reset_id, status, item_number);

-- From how many users on a reset needs a second person; null: never.
ALTER TABLE tenants ADD COLUMN mfa_reset_approval_threshold BIGINT;
