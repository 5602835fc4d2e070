-- name: CreateOIDCClient :execrows
INSERT INTO oidc_clients (id, application_id, name, public, secret_hash, redirect_uris, post_logout_uris, algorithm, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING;

-- name: GetOIDCClient :one
SELECT * FROM oidc_clients WHERE id = $1 AND application_id = $2;

-- name: ListOIDCClients :many
SELECT * FROM oidc_clients WHERE application_id = $1 ORDER BY id;

-- name: UpdateOIDCClient :execrows
UPDATE oidc_clients SET name = @name, secret_hash = @secret_hash, redirect_uris = @redirect_uris,
    post_logout_uris = @post_logout_uris, algorithm = @algorithm, updated_at = @updated_at
WHERE id = @id AND application_id = @application_id;

-- name: DeleteOIDCClient :execrows
DELETE FROM oidc_clients WHERE application_id = $1 AND id = $2;

-- name: CreateSigningKey :execrows
INSERT INTO signing_keys (application_id, algorithm, generation, key_id, public_jwk, private_key, active_at, withdrawn_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING;

-- name: ListSigningKeys :many
SELECT * FROM signing_keys WHERE application_id = $1 ORDER BY algorithm, generation;

-- name: AgedSigningKeys :many
SELECT application_id, algorithm FROM signing_keys GROUP BY application_id, algorithm
HAVING max(created_at) < @before ORDER BY application_id, algorithm LIMIT @page;

-- name: WithdrawSigningKeys :execrows
UPDATE signing_keys SET withdrawn_at = @at
WHERE application_id = @application_id AND algorithm = @algorithm AND generation < @generation AND withdrawn_at = 0;

-- name: DeleteSigningKey :execrows
DELETE FROM signing_keys WHERE application_id = $1 AND algorithm = $2 AND generation = $3;
