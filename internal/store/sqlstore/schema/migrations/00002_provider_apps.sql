-- +goose Up
CREATE TABLE provider_apps (
    id              idtext  NOT NULL PRIMARY KEY,
    application_id  idtext  NOT NULL,
    provider        TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    client_id       TEXT    NOT NULL,
    client_secret   BYTEA   NOT NULL,
    service_account BYTEA   NOT NULL,
    tenant          TEXT    NOT NULL,
    cloud           TEXT    NOT NULL,
    domain          TEXT    NOT NULL,
    extra_scopes    TEXT    NOT NULL,
    skip_scopes     TEXT    NOT NULL,
    protocol        TEXT    NOT NULL,
    is_default      BOOLEAN NOT NULL,
    flag            TEXT    NOT NULL,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL
);
CREATE INDEX provider_apps_by_application ON provider_apps (application_id, id);
CREATE UNIQUE INDEX provider_apps_default ON provider_apps (application_id, provider) WHERE is_default;

ALTER TABLE accounts ADD COLUMN provider_app idtext NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN refresh_at BIGINT NOT NULL DEFAULT 0;
-- While it equals refresh_at, somebody is at work on the account.
ALTER TABLE accounts ADD COLUMN refresh_claim BIGINT NOT NULL DEFAULT 0;
CREATE INDEX accounts_by_refresh ON accounts (provider, refresh_at) WHERE refresh_at > 0;

-- +goose Down
DROP INDEX accounts_by_refresh;
ALTER TABLE accounts DROP COLUMN refresh_claim;
ALTER TABLE accounts DROP COLUMN refresh_at;
ALTER TABLE accounts DROP COLUMN expires_at;
ALTER TABLE accounts DROP COLUMN provider_app;
DROP TABLE provider_apps;
