-- ID tokens of CI jobs that were exchanged: each counts once. A row is needed for as long as its token could be presented.
CREATE TABLE oidc_token (
    issuer TEXT NOT NULL,
    -- hex SHA-256 of the token's jti, or of what its issuer signed where it has none
    fingerprint TEXT NOT NULL,
    usable_until BIGINT NOT NULL,
    PRIMARY KEY (issuer, fingerprint)
);

CREATE INDEX oidc_token_usable_until ON oidc_token (usable_until);
