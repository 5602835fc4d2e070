-- name: CreateMail :execrows
INSERT INTO mails (id, application_id, lane, kind, recipient, body, status, attempts, code, detail, due_at, expires_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT DO NOTHING;

-- name: GetMail :one
SELECT * FROM mails WHERE id = $1 AND application_id = $2;

-- name: DueLanes :many
-- One look into the index a lane, however many mails wait: it is asked after every mail that is queued.
WITH RECURSIVE lanes(lane) AS (
    SELECT min(f.lane) FROM mails f WHERE f.status = 'queued'
    UNION ALL
    SELECT (SELECT min(n.lane) FROM mails n WHERE n.status = 'queued' AND n.lane > l.lane) FROM lanes l WHERE l.lane IS NOT NULL
)
SELECT CAST(lanes.lane AS TEXT) AS lane FROM lanes
WHERE EXISTS (SELECT 1 FROM mails m WHERE m.status = 'queued' AND m.lane = lanes.lane AND m.due_at <= @now)
ORDER BY (SELECT min(o.due_at) FROM mails o WHERE o.status = 'queued' AND o.lane = lanes.lane) LIMIT @page;

-- name: ClaimMails :many
UPDATE mails SET due_at = @until
WHERE id IN (SELECT m.id FROM mails m WHERE m.lane = @lane AND m.status = 'queued' AND m.due_at <= @now
    ORDER BY m.due_at, m.id LIMIT @page)
AND status = 'queued' AND due_at <= @now
RETURNING *;

-- name: FinishMail :execrows
UPDATE mails SET status = @status, lane = @lane, attempts = @attempts, code = @code, detail = @detail, due_at = @due_at,
    body = CASE WHEN @status = 'queued' THEN body ELSE @nothing END, updated_at = @updated_at
WHERE id = @id AND due_at = @claim AND status = 'queued';

-- name: CancelMail :execrows
UPDATE mails SET status = 'canceled', body = @nothing, updated_at = @updated_at
WHERE id = @id AND application_id = @application_id AND status = 'queued';

-- name: ListMails :many
SELECT * FROM mails WHERE application_id = @application_id AND id < @before ORDER BY id DESC LIMIT @page;

-- name: ListMailsByStatus :many
SELECT * FROM mails WHERE application_id = @application_id AND status = @status AND id < @before ORDER BY id DESC LIMIT @page;

-- name: ListMailsEnded :many
-- Failed and expired ones are few among many, and have an index of their own.
SELECT * FROM mails WHERE application_id = @application_id AND status IN ('failed', 'expired') AND id < @before ORDER BY id DESC LIMIT @page;

-- name: CountQueuedMails :one
SELECT count(*) FROM mails WHERE lane = @lane AND status = 'queued';

-- name: DeleteFinishedMails :execrows
DELETE FROM mails WHERE id IN (SELECT m.id FROM mails m WHERE m.status <> 'queued' AND m.updated_at < @before
    ORDER BY m.updated_at LIMIT @page);

-- name: TakeMailLane :execrows
INSERT INTO mail_lanes (lane, holder, until) VALUES (@lane, @holder, @until)
ON CONFLICT (lane) DO UPDATE SET holder = @holder, until = @until
WHERE mail_lanes.holder = @holder OR mail_lanes.until <= @now;
