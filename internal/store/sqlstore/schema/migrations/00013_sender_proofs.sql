-- +goose Up
ALTER TABLE senders ADD COLUMN proof_expires_at BIGINT NOT NULL DEFAULT 0;
-- How many days before the end of its secret somebody was told last; 0 for nobody yet.
ALTER TABLE senders ADD COLUMN secret_told BIGINT NOT NULL DEFAULT 0;
DROP INDEX senders_by_proof;
CREATE INDEX senders_by_proof ON senders (proof_hash);
CREATE INDEX senders_secret_ends ON senders (secret_expires_at) WHERE secret_expires_at > 0;

-- +goose Down
DROP INDEX senders_secret_ends;
DROP INDEX senders_by_proof;
CREATE INDEX senders_by_proof ON senders (proof_hash) WHERE owned_at = 0;
ALTER TABLE senders DROP COLUMN secret_told;
ALTER TABLE senders DROP COLUMN proof_expires_at;
