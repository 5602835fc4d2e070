-- name: CreateDelivery :execrows
INSERT INTO deliveries (id, application_id, event_id, link_id, account_id, url, payload, status, attempts, created_at,
    updated_at, endpoint_id, event_type, queue, due_at, ordinal, sequence, trace)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT DO NOTHING;

-- name: GetDelivery :one
SELECT * FROM deliveries WHERE id = $1;

-- name: ListUntried :many
SELECT * FROM deliveries WHERE queue = @queue AND status = 'pending' AND due_at = 0
ORDER BY ordinal, sequence, id LIMIT @page;

-- name: ListDueDeliveries :many
SELECT * FROM deliveries WHERE queue = @queue AND status = 'pending' AND due_at > 0 AND due_at <= @now
ORDER BY due_at LIMIT @page;

-- name: NextQueue :one
SELECT queue, due_at FROM deliveries WHERE status = 'pending' AND queue > @after ORDER BY queue, due_at LIMIT 1;

-- name: NextRetry :one
SELECT due_at FROM deliveries WHERE queue = @queue AND status = 'pending' AND due_at > 0 ORDER BY due_at LIMIT 1;

-- A try counts where it is the next one of a delivery that is still to be sent.
-- name: UpdateTried :execrows
UPDATE deliveries SET status = @status, attempts = @attempts, due_at = @due_at, updated_at = @updated_at
WHERE id = @id AND attempts = @was AND status = 'pending';

-- name: AddAttempt :execrows
INSERT INTO delivery_attempts (delivery_id, number, url, at, duration, http_status, error, response)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING;

-- name: ListAttempts :many
SELECT * FROM delivery_attempts WHERE delivery_id = $1 ORDER BY number;

-- name: ListAttemptsOfEndpoint :many
SELECT * FROM delivery_attempts WHERE delivery_id IN (
    SELECT d.id FROM deliveries d
    WHERE d.endpoint_id = @endpoint_id AND d.endpoint_id <> '' AND d.application_id = @application_id
      AND d.id >= @oldest AND d.id <= @newest)
ORDER BY delivery_id, number;

-- name: ListDeliveriesByLink :many
SELECT * FROM deliveries WHERE link_id = $1 AND link_id <> '' AND application_id = $2 ORDER BY id;

-- name: ListDeliveriesByEndpoint :many
SELECT * FROM deliveries
WHERE endpoint_id = @endpoint_id AND endpoint_id <> '' AND id < @before AND application_id = @application_id
ORDER BY id DESC LIMIT @page;

-- name: CancelDeliveries :execrows
UPDATE deliveries SET status = 'canceled', updated_at = @updated_at WHERE id IN (
    SELECT d.id FROM deliveries d WHERE d.queue = @queue AND d.status = 'pending' LIMIT @page);

-- name: DeleteFinishedDeliveries :execrows
DELETE FROM deliveries WHERE id IN (
    SELECT d.id FROM deliveries d WHERE d.status <> 'pending' AND d.updated_at < @before
    ORDER BY d.updated_at LIMIT @page);
