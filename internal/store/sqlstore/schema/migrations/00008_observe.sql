-- +goose Up
-- How many links of a day got how far: links counts each once, times counts every time.
CREATE TABLE funnel (
    application_id idtext NOT NULL,
    day            BIGINT NOT NULL,
    stage          TEXT   NOT NULL,
    provider       TEXT   NOT NULL,
    step           TEXT   NOT NULL,
    code           TEXT   NOT NULL,
    links          BIGINT NOT NULL,
    times          BIGINT NOT NULL,
    PRIMARY KEY (application_id, day, stage, provider, step, code)
);
CREATE INDEX funnel_by_day ON funnel (day);

-- How far something has been read.
CREATE TABLE cursors (
    name     TEXT NOT NULL PRIMARY KEY,
    position TEXT NOT NULL
);

-- Who did what; a count above one stands for that many within a minute.
CREATE TABLE audit (
    id             idtext NOT NULL PRIMARY KEY,
    application_id idtext NOT NULL,
    at             BIGINT NOT NULL,
    actor          TEXT   NOT NULL,
    actor_id       idtext NOT NULL,
    actor_name     TEXT   NOT NULL,
    action         TEXT   NOT NULL,
    target         TEXT   NOT NULL,
    address        TEXT   NOT NULL,
    request_id     idtext NOT NULL,
    outcome        TEXT   NOT NULL,
    n              BIGINT NOT NULL
);
CREATE INDEX audit_by_application ON audit (application_id, id);
CREATE INDEX audit_by_time ON audit (at);

-- The key that made the link.
ALTER TABLE links ADD COLUMN key_id idtext NOT NULL DEFAULT '';
CREATE INDEX links_by_end ON links (expires_at);
CREATE INDEX accounts_by_state ON accounts (provider, status);

-- +goose Down
DROP INDEX accounts_by_state;
DROP INDEX links_by_end;
ALTER TABLE links DROP COLUMN key_id;
DROP TABLE audit;
DROP TABLE cursors;
DROP TABLE funnel;
