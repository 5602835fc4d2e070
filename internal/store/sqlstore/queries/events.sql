-- name: AddEvent :execrows
INSERT INTO events (id, application_id, type, link_id, flow_id, account_id, sequence, data, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING;

-- name: ListEvents :many
SELECT * FROM events WHERE application_id = @application_id AND id > @after
ORDER BY id LIMIT @page;

-- name: ListEventsByType :many
SELECT * FROM events WHERE application_id = @application_id AND type = @type AND id > @after
ORDER BY id LIMIT @page;

-- An empty type or account does not narrow.
-- name: ListEventsByLink :many
SELECT * FROM events
WHERE link_id = @link_id AND link_id <> '' AND id > @after AND application_id = @application_id
    AND (CAST(@type AS text) = '' OR type = CAST(@type AS text))
    AND (CAST(@account_id AS text) = '' OR account_id = CAST(@account_id AS text))
ORDER BY id LIMIT @page;

-- An empty type does not narrow.
-- name: ListEventsByAccount :many
SELECT * FROM events
WHERE account_id = @account_id AND account_id <> '' AND id > @after AND application_id = @application_id
    AND (CAST(@type AS text) = '' OR type = CAST(@type AS text))
ORDER BY id LIMIT @page;

-- name: DeleteEventsBefore :execrows
DELETE FROM events WHERE id IN (
    SELECT e.id FROM events e WHERE e.created_at < @before ORDER BY e.created_at LIMIT @page);
