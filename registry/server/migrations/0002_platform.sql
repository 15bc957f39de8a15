-- What an environment was configured as, by revision: lets a refusal say what moved.
CREATE TABLE environment_revision (
    environment TEXT NOT NULL,
    revision TEXT NOT NULL,
    -- the facts as JSON; nothing secret is a fact
    facts TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    PRIMARY KEY (environment, revision)
);

CREATE TABLE resource (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    -- grows with every accepted change
    generation BIGINT NOT NULL,
    -- unfinished, ready, changing, failed, deleting
    phase TEXT NOT NULL,
    -- what stands, as JSON; null until the first operation finished
    revision TEXT,
    -- what the last accepted change asked for, as JSON
    requested TEXT NOT NULL,
    -- the last operation
    operation_id TEXT NOT NULL,
    -- 1 once a client was told that the create succeeded; until then its owner may create again
    acknowledged BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (kind, environment, name)
);

CREATE TABLE operation (
    id TEXT PRIMARY KEY,
    -- create, update, deploy, delete
    kind TEXT NOT NULL,
    -- outlives the resource, so it names it whole
    resource_id TEXT NOT NULL,
    resource_kind TEXT NOT NULL,
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    generation BIGINT NOT NULL,
    -- queued, running, succeeded, failed
    state TEXT NOT NULL,
    -- what shall be, as JSON; null for a delete
    target TEXT,
    -- who asked
    actor TEXT NOT NULL,
    request_id TEXT,
    -- digest of the request, to recognise it when it comes again
    request_sha256 TEXT NOT NULL,
    -- token and key under which it may be sent again
    idempotency_scope TEXT,
    -- claims
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    lease TEXT,
    lease_until BIGINT,
    -- what the commit step brought about
    commit_id TEXT,
    -- why it failed, as JSON
    error TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);

-- One change of a resource at a time, whatever races.
CREATE UNIQUE INDEX operation_active ON operation (resource_id) WHERE state IN ('queued', 'running');
CREATE UNIQUE INDEX operation_idempotency ON operation (idempotency_scope) WHERE idempotency_scope IS NOT NULL;
CREATE INDEX operation_resource ON operation (resource_id, generation);
CREATE INDEX operation_due ON operation (due_at) WHERE state IN ('queued', 'running');

CREATE TABLE operation_step (
    operation_id TEXT NOT NULL REFERENCES operation (id),
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    -- pending, running, done, failed
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    detail TEXT,
    PRIMARY KEY (operation_id, position)
);

CREATE TABLE audit_entry (
    sequence BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    request_id TEXT,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);

-- Where the chain ends. Updating the one row takes the lock that orders writers.
CREATE TABLE audit_head (
    id BIGINT PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash TEXT NOT NULL
);

INSERT INTO audit_head (id, sequence, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

CREATE TRIGGER audit_entry_keeps BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_entry_stays BEFORE DELETE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
