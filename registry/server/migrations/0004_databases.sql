-- The credentials of a consumer of a database: two logins, one in use, the other to be made new by a rotation.
CREATE TABLE database_login (
    -- where the credentials are in the secret store
    secret TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    -- name of the database's resource
    database_name TEXT NOT NULL,
    -- what both logins are called, without their slot
    role TEXT NOT NULL,
    -- read, write, migrate
    access TEXT NOT NULL,
    owner TEXT NOT NULL,
    -- a or b: whose credentials are in the secret store; null before the first are
    active TEXT,
    -- the slot that is being made new; its password waits in the secret store as the next version
    pending TEXT,
    -- when the slot that is not in use is closed; null where it is
    retire_at BIGINT,
    -- the trigger for which they were last made
    rotation TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX database_login_database ON database_login (environment, database_name);
CREATE INDEX database_login_retire ON database_login (retire_at) WHERE retire_at IS NOT NULL;

-- Logins that end by themselves. A row is there before its login and goes after it.
CREATE TABLE credential_lease (
    id TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    database_name TEXT NOT NULL,
    owner TEXT NOT NULL,
    role TEXT NOT NULL,
    privilege TEXT NOT NULL,
    token_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- how long a renewal prolongs it
    ttl_seconds BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- when the sweeper looks: at its end, or later where its server was away
    sweep_at BIGINT NOT NULL
);

CREATE INDEX credential_lease_database ON credential_lease (environment, database_name);
CREATE INDEX credential_lease_sweep ON credential_lease (sweep_at);
