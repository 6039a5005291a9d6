-- What Graph's own clients ask for beyond the methods themselves. The same rules as before: one portable set, tenant_id
-- first in every key.

-- How users are found and ordered: attributes without regard to case. Null in rows from before; filled when the
-- database is opened. PostgreSQL compares every *_key, word and class by bytes (store/postgres_collation.sql), as
-- SQLite does by itself, so that a prefix is a range of the index.
ALTER TABLE users ADD COLUMN display_name_key TEXT;
ALTER TABLE users ADD COLUMN given_name_key TEXT;
ALTER TABLE users ADD COLUMN surname_key TEXT;
ALTER TABLE users ADD COLUMN mail_key TEXT;
-- Grows with every change of a user within the tenant; what is read for a delta.
ALTER TABLE users ADD COLUMN change_sequence BIGINT NOT NULL DEFAULT 0;
-- What counts about the user in reports: type, role, state and the methods registered. Null for deleted users.
ALTER TABLE users ADD COLUMN registration_class TEXT;
CREATE INDEX users_unkeyed ON users (tenant_id, user_id) WHERE display_name_key IS NULL;
CREATE INDEX users_by_display_name ON users (tenant_id, display_name_key, user_id) WHERE deleted_at IS NULL;
CREATE INDEX users_by_given_name ON users (tenant_id, given_name_key, user_id) WHERE deleted_at IS NULL;
CREATE INDEX users_by_surname ON users (tenant_id, surname_key, user_id) WHERE deleted_at IS NULL;
CREATE INDEX users_by_mail ON users (tenant_id, mail_key, user_id) WHERE deleted_at IS NULL;
CREATE INDEX users_by_change ON users (tenant_id, change_sequence, user_id);
CREATE INDEX users_by_registration ON users (tenant_id, registration_class, user_id) WHERE deleted_at IS NULL;

-- The words of display names, for $search.
CREATE TABLE user_words (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, word)
);
CREATE INDEX user_words_by_word ON user_words (tenant_id, word, user_id);

-- Users who are gone for good, as long as a delta may ask for them.
CREATE TABLE purged_users (
    tenant_id TEXT NOT NULL,
    change_sequence BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    purged_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, change_sequence, user_id)
);
CREATE INDEX purged_users_by_age ON purged_users (purged_at);

-- How many present users each registration class of a tenant has.
CREATE TABLE registration_counts (
    tenant_id TEXT NOT NULL,
    class TEXT NOT NULL,
    users BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, class)
);

-- JSON lists: certificates and keys whose holder may speak for the application (Graph's keyCredential); subjects of
-- outside issuers that may (Graph's federatedIdentityCredential).
ALTER TABLE applications ADD COLUMN key_credentials TEXT NOT NULL DEFAULT '[]';
ALTER TABLE applications ADD COLUMN federated_credentials TEXT NOT NULL DEFAULT '[]';

-- Outside issuers of access tokens that a tenant trusts. Issuer and audience together name the tenant.
CREATE TABLE trusted_issuers (
    tenant_id TEXT NOT NULL,
    issuer_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    issuer TEXT NOT NULL,
    audience TEXT NOT NULL,
    -- Where the issuer's keys are; otherwise its discovery document says.
    jwks_uri TEXT,
    -- The claim that holds a user's userPrincipalName.
    user_claim TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, issuer_id)
);
CREATE UNIQUE INDEX trusted_issuers_by_audience ON trusted_issuers (issuer, audience);

-- The sign-ins of users by their displayName, as the other columns of the log that can be filtered.
CREATE INDEX sign_ins_by_display_name ON sign_ins (tenant_id, user_display_name, created_at, sign_in_id);
-- A key of WebAuthn's is one user's, whatever kind of method it is.
DROP INDEX methods_by_passkey;
CREATE UNIQUE INDEX methods_by_passkey ON methods (tenant_id, method_id)
    WHERE kind IN ('fido2', 'windowsHelloForBusiness', 'platformCredential');
-- Client assertions (RFC 7523) that bought a token: each is good once, until it expires. The jti is kept as its digest.
CREATE TABLE used_assertions (
    tenant_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    jti_digest TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, application_id, jti_digest)
);
CREATE INDEX used_assertions_by_expiry ON used_assertions (expires_at);
