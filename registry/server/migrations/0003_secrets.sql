-- The keys that seal secrets. The keys themselves are in a file outside the database; here stands which are in use.
CREATE TABLE secret_key (
    id TEXT PRIMARY KEY,
    -- primary: seals whatever is written; retiring: still opens what it sealed
    state TEXT NOT NULL,
    -- a known text sealed under the key, to tell a wrong key from a damaged value
    check_value BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX secret_key_primary ON secret_key (state) WHERE state = 'primary';

-- What is known of a secret, and nothing of its value.
CREATE TABLE secret (
    -- secret/ENVIRONMENT/NAME or service/ENVIRONMENT/NAME/ALIAS
    path TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    owner TEXT NOT NULL,
    -- grows with every change
    generation BIGINT NOT NULL,
    -- of the value; grows with every new one
    version BIGINT NOT NULL,
    -- where the value comes from, as JSON
    source TEXT NOT NULL,
    deletion_protection BIGINT NOT NULL,
    -- token, key and digest of the last write, to recognise it when it comes again
    idempotency_scope TEXT,
    request_sha256 TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE secret_value (
    path TEXT NOT NULL,
    version BIGINT NOT NULL,
    key_id TEXT NOT NULL REFERENCES secret_key (id),
    sealed BYTEA NOT NULL,
    PRIMARY KEY (path, version)
);

CREATE INDEX secret_value_key ON secret_value (key_id);

-- Which version each token read last; the first read of a version is in the audit log.
CREATE TABLE secret_read (
    path TEXT NOT NULL,
    token_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    last_read_at BIGINT NOT NULL,
    PRIMARY KEY (path, token_id)
);
