-- +goose Up
CREATE TABLE operators (
    id          idtext  NOT NULL PRIMARY KEY,
    email       TEXT    NOT NULL,
    address     TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    owner       BOOLEAN NOT NULL,
    accepted_at BIGINT  NOT NULL,
    created_at  BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL
);

CREATE TABLE memberships (
    application_id idtext NOT NULL,
    operator_id    idtext NOT NULL,
    role           TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (application_id, operator_id)
);
CREATE INDEX memberships_by_operator ON memberships (operator_id, application_id);

CREATE TABLE logins (
    id          idtext NOT NULL PRIMARY KEY,
    operator_id idtext NOT NULL,
    token_hash  BYTEA  NOT NULL UNIQUE,
    method      TEXT   NOT NULL,
    user_agent  TEXT   NOT NULL,
    address     TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX logins_by_operator ON logins (operator_id, id);

CREATE TABLE passkeys (
    id            idtext NOT NULL PRIMARY KEY,
    operator_id   idtext NOT NULL,
    name          TEXT   NOT NULL,
    credential_id BYTEA  NOT NULL UNIQUE,
    credential    BYTEA  NOT NULL,
    created_at    BIGINT NOT NULL,
    used_at       BIGINT NOT NULL
);
CREATE INDEX passkeys_by_operator ON passkeys (operator_id, id);

CREATE TABLE one_times (
    token_hash  BYTEA  NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL,
    operator_id idtext NOT NULL,
    body        BYTEA  NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX one_times_by_operator ON one_times (operator_id);
CREATE INDEX one_times_by_end ON one_times (expires_at);

-- What the dashboard counts and filters by.
CREATE INDEX accounts_by_status ON accounts (application_id, status, id);

-- +goose Down
DROP INDEX accounts_by_status;
DROP TABLE one_times;
DROP TABLE passkeys;
DROP TABLE logins;
DROP TABLE memberships;
DROP TABLE operators;
