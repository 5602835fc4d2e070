-- +goose Up
-- The secret before the last rotation of an application's own: it signs beside the new one until then. Sealed.
ALTER TABLE applications ADD COLUMN old_webhook_secret BYTEA NOT NULL DEFAULT '';
ALTER TABLE applications ADD COLUMN old_secret_until BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE applications DROP COLUMN old_secret_until;
ALTER TABLE applications DROP COLUMN old_webhook_secret;
