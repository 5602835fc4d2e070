-- name: CreateImage :execrows
INSERT INTO images (id, application_id, type, width, height, size, sum, created_at, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING;

-- name: GetImage :one
SELECT * FROM images WHERE id = $1;

-- name: ListImages :many
SELECT id, application_id, type, width, height, size, sum, created_at FROM images WHERE application_id = $1 ORDER BY id;

-- name: DeleteImage :execrows
DELETE FROM images WHERE application_id = $1 AND id = $2;
