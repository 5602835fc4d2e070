-- +goose Up
-- Finds the accounts that stand on one grant.
CREATE INDEX accounts_by_grant ON accounts (identity, provider) WHERE provider_app <> '';
CREATE INDEX provider_apps_by_client ON provider_apps (client_id, provider);

-- +goose Down
DROP INDEX provider_apps_by_client;
DROP INDEX accounts_by_grant;
