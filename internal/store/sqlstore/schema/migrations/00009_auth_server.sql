-- +goose Up
-- Where the application answers for credentials that it keeps itself, and the accounts it does so for.
ALTER TABLE applications ADD COLUMN auth_server_url TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN auth_server BOOLEAN NOT NULL DEFAULT false;

-- The key of the entry in the operator's configuration; empty for provider apps made otherwise.
ALTER TABLE provider_apps ADD COLUMN declared TEXT NOT NULL DEFAULT '';

-- A pace that all replicas keep: free_at is when its next moment is free, in microseconds.
CREATE TABLE paces (
    name    TEXT   NOT NULL PRIMARY KEY,
    free_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE paces;
ALTER TABLE provider_apps DROP COLUMN declared;
ALTER TABLE accounts DROP COLUMN auth_server;
ALTER TABLE applications DROP COLUMN auth_server_url;
