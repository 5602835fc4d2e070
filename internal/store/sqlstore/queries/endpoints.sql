-- name: CreateEndpoint :execrows
INSERT INTO endpoints (id, application_id, name, url, events, accounts, headers, payload, dialect, secret, old_secret,
    old_secret_until, paused, paused_at, failing_since, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT DO NOTHING;

-- name: GetEndpoint :one
SELECT * FROM endpoints WHERE id = $1 AND application_id = $2;

-- name: GetEndpointForUpdate :one
SELECT * FROM endpoints WHERE id = $1 AND application_id = $2 FOR UPDATE;

-- name: ListEndpoints :many
SELECT * FROM endpoints WHERE application_id = $1 ORDER BY id;

-- name: UpdateEndpoint :execrows
UPDATE endpoints SET name = @name, url = @url, events = @events, accounts = @accounts, headers = @headers,
    payload = @payload, dialect = @dialect, secret = @secret, old_secret = @old_secret,
    old_secret_until = @old_secret_until, paused = @paused, paused_at = @paused_at, updated_at = @updated_at
WHERE id = @id AND application_id = @application_id;

-- name: MarkEndpointFailing :execrows
UPDATE endpoints SET failing_since = @failing_since WHERE id = @id;

-- name: DeleteEndpoint :execrows
DELETE FROM endpoints WHERE application_id = $1 AND id = $2;
