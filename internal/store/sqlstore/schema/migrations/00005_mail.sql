-- +goose Up
CREATE TABLE senders (
    id                idtext  NOT NULL PRIMARY KEY,
    application_id    idtext  NOT NULL,
    kind              TEXT    NOT NULL,
    email             TEXT    NOT NULL,
    address           TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    host              TEXT    NOT NULL,
    port              BIGINT  NOT NULL,
    username          TEXT    NOT NULL,
    password          BYTEA   NOT NULL,
    provider          TEXT    NOT NULL,
    client_id         TEXT    NOT NULL,
    client_secret     BYTEA   NOT NULL,
    tenant            TEXT    NOT NULL,
    service_account   BYTEA   NOT NULL,
    transport         TEXT    NOT NULL,
    secret_expires_at BIGINT  NOT NULL,
    fallback          BOOLEAN NOT NULL,
    proof_hash        BYTEA   NOT NULL,
    owned_at          BIGINT  NOT NULL,
    checked_at        BIGINT  NOT NULL,
    problem           TEXT    NOT NULL,
    created_at        BIGINT  NOT NULL,
    updated_at        BIGINT  NOT NULL
);
CREATE INDEX senders_by_application ON senders (application_id, id);
CREATE INDEX senders_by_proof ON senders (proof_hash) WHERE owned_at = 0;

CREATE TABLE mails (
    id             idtext NOT NULL PRIMARY KEY,
    application_id idtext NOT NULL,
    lane           idtext NOT NULL,
    kind           TEXT   NOT NULL,
    recipient      TEXT   NOT NULL,
    body           BYTEA  NOT NULL,
    status         TEXT   NOT NULL,
    attempts       BIGINT NOT NULL,
    code           TEXT   NOT NULL,
    detail         TEXT   NOT NULL,
    due_at         BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);
CREATE INDEX mails_due ON mails (lane, due_at) WHERE status = 'queued';
CREATE INDEX mails_by_application ON mails (application_id, id);
CREATE INDEX mails_finished ON mails (updated_at) WHERE status <> 'queued';

-- Who may work a lane whose mail host bounds connections or mails a minute.
CREATE TABLE mail_lanes (
    lane   idtext NOT NULL PRIMARY KEY,
    holder TEXT   NOT NULL,
    until  BIGINT NOT NULL
);

CREATE TABLE settings (
    application_id idtext NOT NULL,
    -- idtext, so that it sorts byte by byte.
    kind           idtext NOT NULL,
    body           TEXT   NOT NULL,
    updated_at     BIGINT NOT NULL,
    PRIMARY KEY (application_id, kind)
);

ALTER TABLE applications ADD COLUMN sender idtext NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE applications DROP COLUMN sender;
DROP TABLE settings;
DROP TABLE mail_lanes;
DROP TABLE mails;
DROP TABLE senders;
