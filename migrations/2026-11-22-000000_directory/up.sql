-- One portable set for SQLite and PostgreSQL: TEXT, BIGINT, INTEGER, BOOLEAN, plain and partial indexes, nothing else.
-- Every primary key begins with tenant_id, so that the tables can be distributed by tenant.
-- Moments are BIGINT microseconds since 1970, UTC. *_key columns are the lower-cased form that look-ups compare.

CREATE TABLE tenants (
    tenant_id TEXT NOT NULL PRIMARY KEY,
    display_name TEXT NOT NULL,
    default_domain TEXT NOT NULL,
    is_partner BOOLEAN NOT NULL,
    is_demo BOOLEAN NOT NULL,
    security_defaults_enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX tenants_by_domain ON tenants (default_domain);

CREATE TABLE signing_keys (
    tenant_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    sealed_private_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT,
    PRIMARY KEY (tenant_id, key_id)
);

CREATE TABLE applications (
    tenant_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    permissions TEXT NOT NULL,
    secrets TEXT NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, application_id)
);
CREATE UNIQUE INDEX applications_by_id ON applications (application_id);

CREATE TABLE users (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    user_principal_name TEXT NOT NULL,
    user_principal_name_key TEXT NOT NULL,
    display_name TEXT NOT NULL,
    given_name TEXT,
    surname TEXT,
    mail TEXT,
    user_type TEXT NOT NULL,
    account_enabled BOOLEAN NOT NULL,
    profile TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    sessions_valid_from BIGINT NOT NULL,
    per_user_mfa_state TEXT NOT NULL,
    opt_out_reason TEXT,
    opt_out_expires_at BIGINT,
    registration_required_at BIGINT,
    registration_required_by TEXT,
    registration_required_reason TEXT,
    preferred_method TEXT,
    system_preferred_enabled BOOLEAN NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);
-- A deleted user's name is free for another; restoring then needs a free name again.
CREATE UNIQUE INDEX users_by_name ON users (tenant_id, user_principal_name_key) WHERE deleted_at IS NULL;
CREATE INDEX users_deleted ON users (tenant_id, deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE role_assignments (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, role_id)
);

-- Every method but hardware OATH, which is a device that is assigned.
CREATE TABLE methods (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    method_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    sealed_secret TEXT,
    sms_sign_in_number TEXT,
    last_step BIGINT,
    pending_until BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (tenant_id, user_id, method_id)
);
CREATE INDEX methods_unfinished ON methods (pending_until) WHERE pending_until IS NOT NULL;
CREATE UNIQUE INDEX methods_sms_sign_in ON methods (tenant_id, sms_sign_in_number) WHERE sms_sign_in_number IS NOT NULL;

CREATE TABLE hardware_oath_devices (
    tenant_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    serial_number TEXT NOT NULL,
    manufacturer TEXT NOT NULL,
    model TEXT NOT NULL,
    display_name TEXT,
    time_interval_seconds INTEGER NOT NULL,
    hash_function TEXT NOT NULL,
    sealed_secret TEXT NOT NULL,
    status TEXT NOT NULL,
    assigned_to TEXT,
    assigned_at BIGINT,
    last_step BIGINT,
    last_used_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, device_id)
);
CREATE UNIQUE INDEX hardware_oath_devices_by_serial ON hardware_oath_devices (tenant_id, serial_number);
CREATE INDEX hardware_oath_devices_by_status ON hardware_oath_devices (tenant_id, status, device_id);
CREATE INDEX hardware_oath_devices_by_user ON hardware_oath_devices (tenant_id, assigned_to) WHERE assigned_to IS NOT NULL;

-- Append-only; row n carries the hash of row n-1, the head is signed with the tenant's key.
CREATE TABLE audit_events (
    tenant_id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    activity_at BIGINT NOT NULL,
    activity_display_name TEXT NOT NULL,
    category TEXT NOT NULL,
    logged_by_service TEXT NOT NULL,
    operation_type TEXT NOT NULL,
    result TEXT NOT NULL,
    result_reason TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    initiator_kind TEXT NOT NULL,
    initiator_id TEXT,
    initiator_display_name TEXT,
    initiator_principal_name TEXT,
    ip_address TEXT,
    user_agent TEXT,
    target_type TEXT,
    target_id TEXT,
    target_display_name TEXT,
    target_principal_name TEXT,
    modified_properties TEXT NOT NULL,
    additional_details TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);
CREATE UNIQUE INDEX audit_events_by_id ON audit_events (tenant_id, event_id);
-- One index per field that a list can be filtered by; each goes on in the order of the list
-- (src/store/sqlite_statistics.sql tells SQLite which of them are selective).
CREATE INDEX audit_events_by_time ON audit_events (tenant_id, activity_at, sequence);
CREATE INDEX audit_events_by_service ON audit_events (tenant_id, logged_by_service, activity_at, sequence);
CREATE INDEX audit_events_by_category ON audit_events (tenant_id, category, activity_at, sequence);
CREATE INDEX audit_events_by_result ON audit_events (tenant_id, result, activity_at, sequence);
CREATE INDEX audit_events_by_activity ON audit_events (tenant_id, activity_display_name, activity_at, sequence);
CREATE INDEX audit_events_by_initiator_name ON audit_events (tenant_id, initiator_display_name, activity_at, sequence);
CREATE INDEX audit_events_by_principal ON audit_events (tenant_id, lower(initiator_principal_name), activity_at, sequence);
CREATE INDEX audit_events_by_initiator ON audit_events (tenant_id, initiator_id, activity_at, sequence);
CREATE INDEX audit_events_by_target_name ON audit_events (tenant_id, target_display_name, activity_at, sequence);
CREATE INDEX audit_events_by_target ON audit_events (tenant_id, target_id, activity_at, sequence);
CREATE INDEX audit_events_by_correlation ON audit_events (tenant_id, correlation_id, activity_at, sequence);

CREATE TABLE audit_heads (
    tenant_id TEXT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash TEXT NOT NULL,
    key_id TEXT NOT NULL,
    signature TEXT NOT NULL
);

CREATE TABLE idempotency_keys (
    tenant_id TEXT NOT NULL,
    caller_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    sealed_answer TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, caller_id, idempotency_key)
);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
