-- +goose Up
-- Accounts that somebody must stay connected for. Of those that nobody holds, due is when to connect;
-- 0 is never. A holder is a row of keepers: what it holds is its own for as long as it gives signs of life.
-- A row outlives its account until whoever holds it has let go.
CREATE TABLE keeps (
    account_id     idtext NOT NULL PRIMARY KEY,
    application_id idtext NOT NULL,
    provider       TEXT   NOT NULL,
    owner          TEXT   NOT NULL,
    fence          BIGINT NOT NULL,
    due            BIGINT NOT NULL,
    fails          BIGINT NOT NULL
);
CREATE INDEX keeps_by_due ON keeps (due, account_id) WHERE owner = '' AND due > 0;
CREATE INDEX keeps_by_owner ON keeps (owner, account_id) WHERE owner <> '';

CREATE TABLE keepers (
    owner       TEXT   NOT NULL PRIMARY KEY,
    alive_until BIGINT NOT NULL
);

-- What the protocol of a kept account needs from one connection to the next. Values are sealed.
CREATE TABLE account_memory (
    account_id     idtext NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    place          idtext NOT NULL,
    application_id idtext NOT NULL,
    value          BYTEA  NOT NULL,
    PRIMARY KEY (account_id, place)
);

-- +goose Down
DROP TABLE account_memory;
DROP TABLE keepers;
DROP TABLE keeps;
