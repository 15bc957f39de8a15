-- ID tokens of CI jobs that were exchanged: each counts once. A row is needed for as long as its token could be presented.
CREATE TABLE oidc_token (
    issuer TEXT NOT NULL,
    -- hex SHA-256 of the token's jti, or of what its issuer signed where it has none
    fingerprint TEXT NOT NULL,
    usable_until BIGINT NOT NULL,
    PRIMARY KEY (issuer, fingerprint)
);

CREATE INDEX oidc_token_usable_until ON oidc_token (usable_until);

-- Keys of CI jobs that may sign for a namespace for a while.
CREATE TABLE ci_key (
    id TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    -- JSON list of NAME/SYSTEM; null where the key may sign every module of the namespace
    modules TEXT,
    -- base64 SHA-256 of the key's SubjectPublicKeyInfo
    key_id TEXT NOT NULL,
    -- SubjectPublicKeyInfo, PEM
    public_key TEXT NOT NULL,
    issuer TEXT NOT NULL,
    -- JSON object: what the job's token said, as far as it may be kept
    claims TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX ci_key_key_id ON ci_key (namespace, key_id);
