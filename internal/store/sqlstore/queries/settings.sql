-- name: GetSetting :one
SELECT * FROM settings WHERE application_id = $1 AND kind = $2;

-- name: PutSetting :execrows
INSERT INTO settings (application_id, kind, body, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (application_id, kind) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at;

-- name: DeleteSetting :execrows
DELETE FROM settings WHERE application_id = $1 AND kind = $2;

-- name: ListSettings :many
SELECT * FROM settings WHERE application_id = @application_id AND kind >= @low AND kind < @high ORDER BY kind;
