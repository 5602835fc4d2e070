-- name: AddAudit :exec
INSERT INTO audit (id, application_id, at, actor, actor_id, actor_name, action, target, address, request_id, outcome, n)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: ListAudit :many
SELECT * FROM audit WHERE application_id = @application_id AND id < @before ORDER BY id DESC LIMIT @page;

-- name: ListAllAudit :many
SELECT * FROM audit WHERE id < @before ORDER BY id DESC LIMIT @page;

-- name: DeleteAuditBefore :execrows
DELETE FROM audit WHERE id IN (SELECT a.id FROM audit a WHERE a.at < @before ORDER BY a.at LIMIT @page);
