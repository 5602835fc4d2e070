-- +goose Up
CREATE TABLE endpoints (
    id               idtext NOT NULL PRIMARY KEY,
    application_id   idtext NOT NULL,
    name             TEXT   NOT NULL,
    url              TEXT   NOT NULL,
    events           TEXT   NOT NULL,
    accounts         TEXT   NOT NULL,
    headers          BYTEA  NOT NULL,
    payload          TEXT   NOT NULL,
    dialect          TEXT   NOT NULL,
    secret           BYTEA  NOT NULL,
    old_secret       BYTEA  NOT NULL,
    old_secret_until BIGINT NOT NULL,
    paused           TEXT   NOT NULL,
    paused_at        BIGINT NOT NULL,
    failing_since    BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);
CREATE INDEX endpoints_by_application ON endpoints (application_id, id);

-- Until when somebody follows the application's events without an endpoint.
ALTER TABLE applications ADD COLUMN followed_until BIGINT NOT NULL DEFAULT 0;
-- The time of the account's last event, which never goes back.
ALTER TABLE accounts ADD COLUMN event_at BIGINT NOT NULL DEFAULT 0;
-- When to tell that the link has expired; 0 where nobody asked.
ALTER TABLE links ADD COLUMN tell_expiry BIGINT NOT NULL DEFAULT 0;
CREATE INDEX links_by_expiry ON links (tell_expiry) WHERE tell_expiry > 0;

ALTER TABLE deliveries ADD COLUMN endpoint_id idtext NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN event_type TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN queue idtext NOT NULL DEFAULT '';
-- 0 before the first try: those go by ordinal and sequence, and by no clock.
ALTER TABLE deliveries ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN ordinal BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery_attempts ADD COLUMN url TEXT NOT NULL DEFAULT '';
-- What an earlier version left behind was in the hands of its jobs.
UPDATE deliveries SET queue = application_id, ordinal = created_at WHERE status = 'pending';
CREATE INDEX deliveries_due ON deliveries (queue, due_at, ordinal, sequence, id) WHERE status = 'pending';
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, id) WHERE endpoint_id <> '';

CREATE TABLE members (
    id   idtext  NOT NULL PRIMARY KEY,
    beat BIGINT NOT NULL
);
CREATE TABLE shares (
    number BIGINT NOT NULL PRIMARY KEY,
    owner  TEXT   NOT NULL,
    beat   BIGINT NOT NULL
);
INSERT INTO shares (number, owner, beat) VALUES
    (0, '', 0), (1, '', 0), (2, '', 0), (3, '', 0), (4, '', 0), (5, '', 0), (6, '', 0), (7, '', 0),
    (8, '', 0), (9, '', 0), (10, '', 0), (11, '', 0), (12, '', 0), (13, '', 0), (14, '', 0), (15, '', 0),
    (16, '', 0), (17, '', 0), (18, '', 0), (19, '', 0), (20, '', 0), (21, '', 0), (22, '', 0), (23, '', 0),
    (24, '', 0), (25, '', 0), (26, '', 0), (27, '', 0), (28, '', 0), (29, '', 0), (30, '', 0), (31, '', 0);

-- +goose Down
DROP TABLE shares;
DROP TABLE members;
DROP INDEX deliveries_by_endpoint;
DROP INDEX deliveries_due;
ALTER TABLE delivery_attempts DROP COLUMN url;
ALTER TABLE deliveries DROP COLUMN sequence;
ALTER TABLE deliveries DROP COLUMN ordinal;
ALTER TABLE deliveries DROP COLUMN due_at;
ALTER TABLE deliveries DROP COLUMN queue;
ALTER TABLE deliveries DROP COLUMN event_type;
ALTER TABLE deliveries DROP COLUMN endpoint_id;
DROP INDEX links_by_expiry;
ALTER TABLE links DROP COLUMN tell_expiry;
ALTER TABLE accounts DROP COLUMN event_at;
ALTER TABLE applications DROP COLUMN followed_until;
DROP TABLE endpoints;
