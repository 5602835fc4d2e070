-- +goose Up
-- When the account is checked next (0: never), and what checks remember of it, as JSON.
ALTER TABLE accounts ADD COLUMN check_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN watch TEXT NOT NULL DEFAULT '';
-- Accounts from before are due at once; the pace of checks spreads them.
UPDATE accounts SET check_at = 1;
CREATE INDEX accounts_by_check ON accounts (provider, check_at, id) WHERE check_at > 0;

CREATE TABLE status_changes (
    id             idtext NOT NULL PRIMARY KEY,
    application_id idtext NOT NULL,
    account_id     idtext NOT NULL,
    from_status    TEXT   NOT NULL,
    from_reason    TEXT   NOT NULL,
    to_status      TEXT   NOT NULL,
    to_reason      TEXT   NOT NULL,
    cause          TEXT   NOT NULL,
    at             BIGINT NOT NULL
);
CREATE INDEX status_changes_by_account ON status_changes (account_id, id);
CREATE INDEX status_changes_by_time ON status_changes (at);

CREATE TABLE reconnect_urls (
    id             idtext NOT NULL PRIMARY KEY,
    application_id idtext NOT NULL,
    account_id     idtext NOT NULL,
    token_hash     BYTEA  NOT NULL UNIQUE,
    name           TEXT   NOT NULL,
    terms          TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);
CREATE INDEX reconnect_urls_by_account ON reconnect_urls (account_id, id);
CREATE INDEX reconnect_urls_by_expiry ON reconnect_urls (expires_at);

-- +goose Down
DROP TABLE reconnect_urls;
DROP TABLE status_changes;
DROP INDEX accounts_by_check;
ALTER TABLE accounts DROP COLUMN watch;
ALTER TABLE accounts DROP COLUMN check_at;
