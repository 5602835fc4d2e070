-- +goose Up
CREATE INDEX flows_by_account ON flows (account_id, id) WHERE account_id <> '';

-- +goose Down
DROP INDEX flows_by_account;
