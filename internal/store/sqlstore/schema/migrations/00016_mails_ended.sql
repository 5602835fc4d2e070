-- +goose Up
CREATE INDEX mails_ended ON mails (application_id, id) WHERE status IN ('failed', 'expired');

-- +goose Down
DROP INDEX mails_ended;
