-- +goose Up
-- What a link's account connects through, sealed: it may hold a password. Empty for most.
ALTER TABLE links ADD COLUMN proxy BYTEA NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE links DROP COLUMN proxy;
