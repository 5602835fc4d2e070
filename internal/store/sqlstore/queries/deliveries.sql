-- name: CreateDelivery :execrows
INSERT INTO deliveries (id, application_id, event_id, link_id, account_id, url, payload, status, attempts, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT DO NOTHING;

-- name: GetDelivery :one
SELECT * FROM deliveries WHERE id = $1;

-- name: UpdateDelivery :execrows
UPDATE deliveries SET status = @status, attempts = @attempts, updated_at = @updated_at WHERE id = @id;

-- name: AddAttempt :execrows
INSERT INTO delivery_attempts (delivery_id, number, at, duration, http_status, error, response)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING;

-- name: ListAttempts :many
SELECT * FROM delivery_attempts WHERE delivery_id = $1 ORDER BY number;

-- name: ListDeliveriesByLink :many
SELECT * FROM deliveries WHERE link_id = $1 AND link_id <> '' AND application_id = $2 ORDER BY id;

-- name: DeleteFinishedDeliveries :execrows
DELETE FROM deliveries WHERE id IN (
    SELECT d.id FROM deliveries d WHERE d.status <> 'pending' AND d.updated_at < @before
    ORDER BY d.updated_at LIMIT @page);
