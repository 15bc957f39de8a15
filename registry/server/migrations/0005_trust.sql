-- The transparency log: every release, status, key change, CI key and root, once and for ever.
CREATE TABLE log_entry (
    -- from 0, without a gap
    position BIGINT PRIMARY KEY,
    -- the signed statement in canonical JSON
    leaf TEXT NOT NULL,
    -- publish, status, keys, ci_key, root: what follows is read out of the leaf, to find it
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    -- namespace/name/system; empty where it is about none
    module TEXT NOT NULL,
    -- of a release or of a status; empty where it is about every version
    version TEXT NOT NULL,
    -- of a status, a key change or a root
    sequence BIGINT NOT NULL,
    -- of a CI key
    key_id TEXT NOT NULL,
    logged_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX log_entry_release ON log_entry (module, version) WHERE kind = 'publish';
CREATE UNIQUE INDEX log_entry_status ON log_entry (module, sequence) WHERE kind = 'status';
CREATE UNIQUE INDEX log_entry_keys ON log_entry (namespace, sequence) WHERE kind = 'keys';
CREATE UNIQUE INDEX log_entry_root ON log_entry (sequence) WHERE kind = 'root';
CREATE UNIQUE INDEX log_entry_ci_key ON log_entry (key_id) WHERE kind = 'ci_key';

-- Hashes of complete subtrees, 256 to a tile: level 0 has the leaves', level n those of 256^n leaves each.
CREATE TABLE log_tile (
    level BIGINT NOT NULL,
    position BIGINT NOT NULL,
    -- 32 bytes each
    hashes BYTEA NOT NULL,
    PRIMARY KEY (level, position)
);

-- Where the log ends. Updating the one row takes the lock that orders writers.
CREATE TABLE log_head (
    id BIGINT PRIMARY KEY,
    size BIGINT NOT NULL,
    -- roots of the complete subtrees that the log consists of, largest first, 32 bytes each
    frontier BYTEA NOT NULL
);

INSERT INTO log_head (id, size, frontier) VALUES (1, 0, x'');

CREATE TRIGGER log_entry_keeps BEFORE UPDATE ON log_entry
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER log_entry_stays BEFORE DELETE ON log_entry
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

-- How a module version stands follows from its signed statements.
ALTER TABLE module_version DROP COLUMN status;
ALTER TABLE module_version DROP COLUMN status_reason;

-- Who downloaded which version: whom a deprecation concerns, and who may go on using what is yanked.
CREATE TABLE module_download (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    system TEXT NOT NULL,
    version TEXT NOT NULL,
    -- id of the token; empty for everybody who had none
    token_id TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (namespace, name, system, version, token_id)
);
