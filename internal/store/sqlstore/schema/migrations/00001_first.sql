-- +goose Up
-- Times are milliseconds since 1970; 0 is no time. Empty text and empty bytes stand for nothing.

CREATE TABLE keysets (
    id         TEXT   NOT NULL PRIMARY KEY,
    wrapped    BYTEA  NOT NULL,
    version    BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE applications (
    id             idtext  NOT NULL PRIMARY KEY,
    name           TEXT    NOT NULL UNIQUE,
    test           BOOLEAN NOT NULL,
    providers      TEXT    NOT NULL,
    webhook_secret BYTEA   NOT NULL,
    created_at     BIGINT  NOT NULL
);

CREATE TABLE api_keys (
    id             idtext  NOT NULL PRIMARY KEY,
    application_id idtext  NOT NULL,
    name           TEXT    NOT NULL,
    hash           BYTEA   NOT NULL UNIQUE,
    permissions    TEXT    NOT NULL,
    prepared       BOOLEAN NOT NULL,
    created_at     BIGINT  NOT NULL
);
CREATE INDEX api_keys_by_application ON api_keys (application_id, id);

CREATE TABLE links (
    id             idtext  NOT NULL PRIMARY KEY,
    application_id idtext  NOT NULL,
    token_hash     BYTEA   NOT NULL UNIQUE,
    type           TEXT    NOT NULL,
    dialect        TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    expires_at     BIGINT  NOT NULL,
    flow_id        idtext  NOT NULL,
    account_id     idtext  NOT NULL,
    last_failure   TEXT    NOT NULL,
    opened_count   BIGINT  NOT NULL,
    test           BOOLEAN NOT NULL,
    terms          TEXT    NOT NULL
);
CREATE INDEX links_by_application ON links (application_id, id);
CREATE INDEX links_by_status ON links (application_id, status, id);
CREATE INDEX links_by_name ON links (application_id, name, id) WHERE name <> '';

CREATE TABLE flows (
    id             idtext NOT NULL PRIMARY KEY,
    link_id        idtext NOT NULL,
    application_id idtext NOT NULL,
    cookie_hash    BYTEA  NOT NULL,
    version        BIGINT NOT NULL,
    status         TEXT   NOT NULL,
    provider       TEXT   NOT NULL,
    step_id        TEXT   NOT NULL,
    body           BYTEA  NOT NULL,
    fence          BIGINT NOT NULL,
    lease_owner    TEXT   NOT NULL,
    lease_until    BIGINT NOT NULL,
    work_due       BIGINT NOT NULL,
    failure_code   TEXT   NOT NULL,
    account_id     idtext NOT NULL,
    account_state  TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);
CREATE INDEX flows_by_work_due ON flows (work_due) WHERE status = 'in_progress' AND work_due > 0;
CREATE INDEX flows_by_expiry ON flows (expires_at) WHERE status = 'in_progress' AND expires_at > 0;
CREATE INDEX flows_by_link ON flows (link_id, id);
CREATE INDEX flows_finished ON flows (updated_at) WHERE status <> 'in_progress';

CREATE TABLE accounts (
    id             idtext  NOT NULL PRIMARY KEY,
    application_id idtext  NOT NULL,
    external_id    TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    identity       TEXT    NOT NULL,
    proof          TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    status_at      BIGINT  NOT NULL,
    sources        TEXT    NOT NULL,
    params         TEXT    NOT NULL,
    metadata       TEXT    NOT NULL,
    options        TEXT    NOT NULL,
    secret         BYTEA   NOT NULL,
    warnings       TEXT    NOT NULL,
    sequence       BIGINT  NOT NULL,
    test           BOOLEAN NOT NULL,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    checked_at     BIGINT  NOT NULL
);
CREATE INDEX accounts_by_application ON accounts (application_id, id);
CREATE UNIQUE INDEX accounts_by_external_id ON accounts (application_id, external_id) WHERE external_id <> '';

CREATE TABLE events (
    id             idtext NOT NULL PRIMARY KEY,
    application_id idtext NOT NULL,
    type           TEXT   NOT NULL,
    link_id        idtext NOT NULL,
    flow_id        idtext NOT NULL,
    account_id     idtext NOT NULL,
    sequence       BIGINT NOT NULL,
    data           TEXT   NOT NULL,
    created_at     BIGINT NOT NULL
);
CREATE INDEX events_by_application ON events (application_id, id);
CREATE INDEX events_by_type ON events (application_id, type, id);
CREATE INDEX events_by_link ON events (link_id, id) WHERE link_id <> '';
CREATE INDEX events_by_account ON events (account_id, id) WHERE account_id <> '';
CREATE INDEX events_by_time ON events (created_at);

CREATE TABLE deliveries (
    id             idtext NOT NULL PRIMARY KEY,
    application_id idtext NOT NULL,
    event_id       idtext NOT NULL,
    link_id        idtext NOT NULL,
    account_id     idtext NOT NULL,
    url            TEXT   NOT NULL,
    payload        BYTEA  NOT NULL,
    status         TEXT   NOT NULL,
    attempts       BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);
CREATE INDEX deliveries_by_link ON deliveries (link_id, id) WHERE link_id <> '';
CREATE INDEX deliveries_finished ON deliveries (updated_at) WHERE status <> 'pending';

CREATE TABLE delivery_attempts (
    delivery_id idtext NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    number      BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    duration    BIGINT NOT NULL,
    http_status BIGINT NOT NULL,
    error       TEXT   NOT NULL,
    response    BYTEA  NOT NULL,
    PRIMARY KEY (delivery_id, number)
);

CREATE TABLE idempotency (
    application_id idtext NOT NULL,
    route          TEXT   NOT NULL,
    key_hash       BYTEA  NOT NULL,
    body_mac       BYTEA  NOT NULL,
    status         BIGINT NOT NULL,
    body           BYTEA  NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    PRIMARY KEY (application_id, route, key_hash)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

CREATE TABLE tries (
    bucket       TEXT   NOT NULL,
    length_ms    BIGINT NOT NULL,
    window_start BIGINT NOT NULL,
    n            BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    PRIMARY KEY (bucket, length_ms, window_start)
);
CREATE INDEX tries_by_expiry ON tries (expires_at);

-- +goose Down
DROP TABLE tries;
DROP TABLE idempotency;
DROP TABLE delivery_attempts;
DROP TABLE deliveries;
DROP TABLE events;
DROP TABLE accounts;
DROP TABLE flows;
DROP TABLE links;
DROP TABLE api_keys;
DROP TABLE applications;
DROP TABLE keysets;
