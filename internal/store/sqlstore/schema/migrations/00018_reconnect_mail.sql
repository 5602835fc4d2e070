-- +goose Up
-- Whether end users are told by mail that their account broke, and how long after.
ALTER TABLE applications ADD COLUMN reconnect_email BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE applications ADD COLUMN reconnect_email_after BIGINT NOT NULL DEFAULT 0;
-- Where the end user of an account is told, and the last mail that was written there: JSON.
ALTER TABLE accounts ADD COLUMN notify TEXT NOT NULL DEFAULT '';
-- The span in which a delivery was written (W3C traceparent); empty where nobody traces.
ALTER TABLE deliveries ADD COLUMN trace TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE deliveries DROP COLUMN trace;
ALTER TABLE accounts DROP COLUMN notify;
ALTER TABLE applications DROP COLUMN reconnect_email_after;
ALTER TABLE applications DROP COLUMN reconnect_email;
