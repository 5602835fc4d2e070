-- One statement, so that of two twins exactly one gets the row back.
-- name: ClaimIdempotency :one
INSERT INTO idempotency (application_id, route, key_hash, body_mac, status, body, created_at, expires_at)
VALUES (@application_id, @route, @key_hash, @body_mac, 0, @nothing, @created_at, @expires_at)
ON CONFLICT (application_id, route, key_hash) DO UPDATE
SET body_mac = excluded.body_mac, status = 0, body = excluded.body, created_at = excluded.created_at,
    expires_at = excluded.expires_at
WHERE idempotency.expires_at <= excluded.created_at
    OR (idempotency.status = 0 AND idempotency.created_at < CAST(@stale_before AS bigint))
RETURNING created_at;

-- name: GetIdempotency :one
SELECT * FROM idempotency WHERE application_id = $1 AND route = $2 AND key_hash = $3;

-- The time of the claim tells its owner: a claim that was taken over is not the first one's to end.
-- name: FinishIdempotency :execrows
UPDATE idempotency SET status = @status, body = @body, expires_at = @expires_at
WHERE application_id = @application_id AND route = @route AND key_hash = @key_hash
    AND status = 0 AND created_at = @created_at;

-- name: ReleaseIdempotency :execrows
DELETE FROM idempotency
WHERE application_id = @application_id AND route = @route AND key_hash = @key_hash
    AND status = 0 AND created_at = @created_at;

-- name: DeleteExpiredIdempotency :execrows
DELETE FROM idempotency WHERE (application_id, route, key_hash) IN (
    SELECT i.application_id, i.route, i.key_hash FROM idempotency i WHERE i.expires_at <= @now
    ORDER BY i.expires_at LIMIT @page);
