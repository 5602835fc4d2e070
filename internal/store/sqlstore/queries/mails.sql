-- name: CreateMail :execrows
INSERT INTO mails (id, application_id, lane, kind, recipient, body, status, attempts, code, detail, due_at, expires_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT DO NOTHING;

-- name: GetMail :one
SELECT * FROM mails WHERE id = $1 AND application_id = $2;

-- name: DueLanes :many
SELECT lane FROM mails WHERE status = 'queued' AND due_at <= @now
GROUP BY lane ORDER BY min(due_at) LIMIT @page;

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

-- name: ListMails :many
SELECT * FROM mails WHERE application_id = @application_id AND id < @before ORDER BY id DESC LIMIT @page;

-- name: CountQueuedMails :one
SELECT count(*) FROM mails WHERE lane = @lane AND status = 'queued';

-- name: DeleteFinishedMails :execrows
DELETE FROM mails WHERE id IN (SELECT m.id FROM mails m WHERE m.status <> 'queued' AND m.updated_at < @before
    ORDER BY m.updated_at LIMIT @page);

-- name: TakeMailLane :execrows
INSERT INTO mail_lanes (lane, holder, until) VALUES (@lane, @holder, @until)
ON CONFLICT (lane) DO UPDATE SET holder = @holder, until = @until
WHERE mail_lanes.holder = @holder OR mail_lanes.until <= @now;
