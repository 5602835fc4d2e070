-- name: AddStatusChange :execrows
INSERT INTO status_changes (id, application_id, account_id, from_status, from_reason, to_status, to_reason, cause, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING;

-- name: TrimStatusChanges :execrows
DELETE FROM status_changes WHERE status_changes.account_id = @account_id AND status_changes.id <= (
    SELECT c.id FROM status_changes c WHERE c.account_id = @account_id ORDER BY c.id DESC LIMIT 1 OFFSET @keep);

-- name: ListStatusChanges :many
SELECT * FROM status_changes WHERE account_id = @account_id AND id < @before AND application_id = @application_id
ORDER BY id DESC LIMIT @page;

-- name: DeleteStatusChangesOf :execrows
DELETE FROM status_changes WHERE account_id = $1;

-- name: DeleteStatusChangesBefore :execrows
DELETE FROM status_changes WHERE id IN (
    SELECT c.id FROM status_changes c WHERE c.at < @before ORDER BY c.at LIMIT @page);
