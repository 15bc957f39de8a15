-- Times are milliseconds since 1970 in UTC. Ids are made by the server and sort by time.

CREATE TABLE probe (
    id BIGINT PRIMARY KEY,
    seen BIGINT NOT NULL
);

CREATE TABLE token (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    -- hex SHA-256 of the secret; the secret itself is shown once and kept nowhere
    secret_sha256 TEXT NOT NULL UNIQUE,
    -- one right a line
    rights TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT
);

CREATE TABLE module_version (
    id TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    system TEXT NOT NULL,
    version TEXT NOT NULL,
    archive_sha256 TEXT NOT NULL,
    archive_bytes BIGINT NOT NULL,
    tree_h1 TEXT NOT NULL,
    -- the publisher's signed statement, as uploaded
    bundle TEXT NOT NULL,
    publisher TEXT NOT NULL,
    published_by TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    -- active, yanked, revoked: a row stays for ever, so a number never comes back with other content
    status TEXT NOT NULL DEFAULT 'active',
    status_reason TEXT NOT NULL DEFAULT '',
    UNIQUE (namespace, name, system, version)
);

CREATE TABLE provider_version (
    id TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    type TEXT NOT NULL,
    version TEXT NOT NULL,
    -- comma-separated, such as 6.0
    protocols TEXT NOT NULL,
    shasums_sha256 TEXT NOT NULL,
    signature_sha256 TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key_fingerprint TEXT NOT NULL,
    key_armor TEXT NOT NULL,
    published_by TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    status TEXT NOT NULL DEFAULT 'active',
    status_reason TEXT NOT NULL DEFAULT '',
    UNIQUE (namespace, type, version)
);

CREATE TABLE provider_package (
    version_id TEXT NOT NULL REFERENCES provider_version (id),
    os TEXT NOT NULL,
    arch TEXT NOT NULL,
    filename TEXT NOT NULL,
    zip_sha256 TEXT NOT NULL,
    zip_bytes BIGINT NOT NULL,
    PRIMARY KEY (version_id, os, arch)
);

-- The OpenPGP key that first signed a provider of a namespace; later versions need the same one.
CREATE TABLE provider_key (
    namespace TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    first_used_at BIGINT NOT NULL,
    PRIMARY KEY (namespace, fingerprint)
);
