-- name: CreateKey :execrows
INSERT INTO api_keys (id, application_id, name, hash, permissions, prepared, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING;

-- name: KeyByHash :one
SELECT * FROM api_keys WHERE hash = $1;

-- name: ListKeys :many
SELECT * FROM api_keys WHERE application_id = $1 ORDER BY id DESC;

-- name: DeleteKey :execrows
DELETE FROM api_keys WHERE application_id = $1 AND id = $2;

-- name: DeletePreparedKeys :exec
DELETE FROM api_keys WHERE prepared AND hash <> $1;
