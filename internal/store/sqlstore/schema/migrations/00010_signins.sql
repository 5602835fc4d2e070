-- +goose Up
CREATE TABLE signins (
    id             idtext NOT NULL PRIMARY KEY,
    -- Empty for the installation's own operators.
    application_id idtext NOT NULL,
    email          TEXT   NOT NULL,
    address        TEXT   NOT NULL,
    status         TEXT   NOT NULL,
    withheld       TEXT   NOT NULL,
    locale         TEXT   NOT NULL,
    device         TEXT   NOT NULL,
    browser_hash   BYTEA  NOT NULL,
    redirect_uri   TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    oidc           TEXT   NOT NULL,
    sends          BIGINT NOT NULL,
    sent_at        BIGINT NOT NULL,
    -- The newest challenge, and the one before it.
    code_mac       BYTEA  NOT NULL,
    link_hash      BYTEA  NOT NULL,
    code_pad       BIGINT NOT NULL,
    tries          BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    code_mac_before   BYTEA  NOT NULL,
    link_hash_before  BYTEA  NOT NULL,
    code_pad_before   BIGINT NOT NULL,
    tries_before      BIGINT NOT NULL,
    expires_at_before BIGINT NOT NULL,
    method         TEXT   NOT NULL,
    proved_at      BIGINT NOT NULL,
    completed_at   BIGINT NOT NULL,
    revoked_at     BIGINT NOT NULL,
    created_at     BIGINT NOT NULL
);
CREATE INDEX signins_expiry ON signins (expires_at);

CREATE TABLE signin_rules (
    application_id idtext NOT NULL,
    list           idtext NOT NULL,
    -- An address, *@domain, or *@*.domain.
    pattern        idtext NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (application_id, list, pattern)
);

CREATE TABLE oidc_clients (
    id             idtext  NOT NULL PRIMARY KEY,
    application_id idtext  NOT NULL,
    name           TEXT    NOT NULL,
    public         BOOLEAN NOT NULL,
    secret_hash    BYTEA   NOT NULL,
    redirect_uris  TEXT    NOT NULL,
    post_logout_uris TEXT  NOT NULL,
    algorithm      TEXT    NOT NULL,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL
);
CREATE INDEX oidc_clients_by_application ON oidc_clients (application_id, id);

CREATE TABLE signing_keys (
    application_id idtext NOT NULL,
    algorithm      idtext NOT NULL,
    generation     BIGINT NOT NULL,
    key_id         idtext   NOT NULL,
    public_jwk     BYTEA  NOT NULL,
    private_key    BYTEA  NOT NULL,
    active_at      BIGINT NOT NULL,
    withdrawn_at   BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (application_id, algorithm, generation)
);

-- +goose Down
DROP TABLE signing_keys;
DROP TABLE oidc_clients;
DROP TABLE signin_rules;
DROP TABLE signins;
