-- name: AddFunnel :exec
INSERT INTO funnel (application_id, day, stage, provider, step, code, links, times) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (application_id, day, stage, provider, step, code)
DO UPDATE SET links = funnel.links + excluded.links, times = funnel.times + excluded.times;

-- name: SumFunnel :many
SELECT stage, provider, step, code, CAST(SUM(links) AS BIGINT) AS links, CAST(SUM(times) AS BIGINT) AS times
FROM funnel WHERE application_id = @application_id AND day >= @from_day AND day <= @to_day
GROUP BY stage, provider, step, code ORDER BY stage, provider, step, code;

-- name: DeleteFunnelBefore :execrows
DELETE FROM funnel WHERE (application_id, day, stage, provider, step, code) IN (
    SELECT f.application_id, f.day, f.stage, f.provider, f.step, f.code FROM funnel f WHERE f.day < @before
    ORDER BY f.day LIMIT @page);

-- name: GetCursor :one
SELECT position FROM cursors WHERE name = $1;

-- name: AddCursor :execrows
INSERT INTO cursors (name, position) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: MoveCursor :execrows
UPDATE cursors SET position = @position WHERE name = @name AND position = @was;

-- name: EventsOfLinks :many
SELECT * FROM events WHERE id > @after AND id <= @until ORDER BY id LIMIT @page;

-- name: CountLinks :one
SELECT COUNT(*) FROM links WHERE application_id = @application_id AND id > @after AND id <= @until;

-- name: OldestLink :one
SELECT id FROM links ORDER BY id LIMIT 1;

-- name: OldestExpiry :one
SELECT expires_at FROM links ORDER BY expires_at LIMIT 1;

-- A link that the application expired was counted by its event then: it ended before its time.
-- name: CountExpired :many
SELECT application_id, CAST(created_at - created_at % 86400000 AS BIGINT) AS day, COUNT(*) AS n FROM links
WHERE expires_at > @after AND expires_at <= @until AND status <> 'completed'
    AND NOT (status = 'expired' AND updated_at < expires_at)
GROUP BY 1, 2;

-- name: DeleteLinksEnded :execrows
DELETE FROM links WHERE id IN (
    SELECT l.id FROM links l WHERE l.expires_at < @before ORDER BY l.expires_at LIMIT @page);
