-- Registration, verification and sign-in. The same rules as before: one portable set, tenant_id first in every key.

-- What opens a demanded registration: the first factor, or only a temporary access pass (or a kept passkey).
ALTER TABLE tenants ADD COLUMN registration_proof TEXT NOT NULL DEFAULT 'firstFactor';

-- RFC 4226 tokens beside RFC 6238 ones; last_step is the counter of the former and the time step of the latter.
ALTER TABLE hardware_oath_devices ADD COLUMN otp_type TEXT NOT NULL DEFAULT 'totp';
ALTER TABLE hardware_oath_devices ADD COLUMN digits INTEGER NOT NULL DEFAULT 6;
-- Steps that the token's clock is ahead, as its last accepted code showed (RFC 6238 section 6).
ALTER TABLE hardware_oath_devices ADD COLUMN drift_steps BIGINT NOT NULL DEFAULT 0;

-- The tenant's authenticationMethodsPolicy as one JSON document; no row means the defaults.
CREATE TABLE authentication_policies (
    tenant_id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    modified_at BIGINT NOT NULL
);

CREATE TABLE sign_in_sessions (
    tenant_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    user_id TEXT,
    status TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    completed_at BIGINT,
    PRIMARY KEY (tenant_id, session_id)
);
CREATE INDEX sign_in_sessions_by_user ON sign_in_sessions (tenant_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX sign_in_sessions_by_expiry ON sign_in_sessions (expires_at);

-- Whatever was asked of a user and is to be answered once: a code that was sent, a WebAuthn challenge, a push request,
-- the activation code of an app. Taken by deleting the row, so no concurrency accepts an answer twice.
CREATE TABLE challenges (
    tenant_id TEXT NOT NULL,
    challenge_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    method_id TEXT,
    session_id TEXT,
    lookup TEXT,
    sealed_state TEXT NOT NULL,
    tries_left INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, challenge_id)
);
CREATE INDEX challenges_by_user ON challenges (tenant_id, user_id);
CREATE UNIQUE INDEX challenges_by_lookup ON challenges (lookup) WHERE lookup IS NOT NULL;
CREATE INDEX challenges_by_expiry ON challenges (expires_at);

-- Failures in a row, apart for every kind of guess. The subject is a user, or the hash of a name that nobody has.
CREATE TABLE guesses (
    tenant_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    failures INTEGER NOT NULL,
    last_failure_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, subject, kind)
);
CREATE INDEX guesses_by_age ON guesses (last_failure_at);

-- Messages on their way out. Claimed by a conditional update with a lease; the row goes when the message is out.
CREATE TABLE messages (
    tenant_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    sealed_message TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
);
CREATE INDEX messages_due ON messages (channel, next_attempt_at);

-- How many messages went to one number or address, to one user and out of one tenant, in one window of time.
CREATE TABLE send_counts (
    tenant_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    window_start BIGINT NOT NULL,
    sent INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, scope, window_start)
);
CREATE INDEX send_counts_by_age ON send_counts (window_start);

-- Graph's longRunningOperation (a password reset).
CREATE TABLE operations (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    status TEXT NOT NULL,
    status_detail TEXT,
    resource_location TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_action_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, operation_id)
);
CREATE INDEX operations_by_age ON operations (created_at);

-- Graph's signIns: one row per attempt that came to an end.
CREATE TABLE sign_ins (
    tenant_id TEXT NOT NULL,
    sign_in_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    user_id TEXT,
    user_display_name TEXT,
    user_principal_name TEXT,
    application_id TEXT NOT NULL,
    application_display_name TEXT NOT NULL,
    error_code INTEGER NOT NULL,
    failure_reason TEXT,
    ip_address TEXT,
    user_agent TEXT,
    correlation_id TEXT NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (tenant_id, sign_in_id)
);
CREATE INDEX sign_ins_by_time ON sign_ins (tenant_id, created_at, sign_in_id);
CREATE INDEX sign_ins_by_user ON sign_ins (tenant_id, user_id, created_at, sign_in_id);
CREATE INDEX sign_ins_by_name ON sign_ins (tenant_id, lower(user_principal_name), created_at, sign_in_id);
CREATE INDEX sign_ins_by_application ON sign_ins (tenant_id, application_id, created_at, sign_in_id);
CREATE INDEX sign_ins_by_application_name ON sign_ins (tenant_id, application_display_name, created_at, sign_in_id);
CREATE INDEX sign_ins_by_address ON sign_ins (tenant_id, ip_address, created_at, sign_in_id);
CREATE INDEX sign_ins_by_error ON sign_ins (tenant_id, error_code, created_at, sign_in_id);
CREATE INDEX sign_ins_by_correlation ON sign_ins (tenant_id, correlation_id, created_at, sign_in_id);
CREATE INDEX sign_ins_by_age ON sign_ins (created_at);
