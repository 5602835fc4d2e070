-- +goose Up
-- Whom a sign-in's limits count: the network that began it, and the device if it is known to be the
-- address's own. Both are MACs.
ALTER TABLE signins ADD COLUMN network  TEXT NOT NULL DEFAULT '';
ALTER TABLE signins ADD COLUMN familiar TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE signins DROP COLUMN familiar;
ALTER TABLE signins DROP COLUMN network;
