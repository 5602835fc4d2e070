-- name: CreateFlow :execrows
INSERT INTO flows (id, link_id, application_id, cookie_hash, version, status, provider, step_id, body, fence,
    lease_owner, lease_until, work_due, failure_code, account_id, account_state, created_at, updated_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT DO NOTHING;

-- name: GetFlow :one
SELECT * FROM flows WHERE id = $1;

-- name: SaveFlow :execrows
UPDATE flows SET version = @new_version, status = @status, provider = @provider, step_id = @step_id, body = @body,
    fence = @new_fence, lease_owner = @lease_owner, lease_until = @lease_until, work_due = @work_due,
    failure_code = @failure_code, account_id = @account_id, account_state = @account_state,
    updated_at = @updated_at, expires_at = @expires_at
WHERE id = @id AND application_id = @application_id AND version = @version AND fence = @fence;

-- name: RenewFlow :execrows
UPDATE flows SET lease_until = @until, work_due = @until WHERE id = @id AND fence = @fence;

-- name: CountFlow :one
SELECT count(*) FROM flows WHERE id = $1;

-- name: DueFlows :many
SELECT id FROM flows WHERE status = 'in_progress' AND work_due > 0 AND work_due <= @now
ORDER BY work_due LIMIT @page;

-- name: StrandedFlows :many
SELECT id FROM flows WHERE status = 'in_progress' AND work_due > 0 AND work_due > @after
ORDER BY work_due LIMIT @page;

-- name: DeleteFinishedFlows :execrows
DELETE FROM flows WHERE id IN (
    SELECT f.id FROM flows f WHERE f.status <> 'in_progress' AND f.updated_at < @before
    ORDER BY f.updated_at LIMIT @page);

-- name: FlowByBrowser :one
SELECT * FROM flows WHERE link_id = $1 AND cookie_hash = $2 ORDER BY id DESC LIMIT 1;

-- name: FlowByAccount :one
SELECT * FROM flows WHERE application_id = @application_id AND account_id = @account_id AND account_id <> ''
ORDER BY id DESC LIMIT 1;

-- Version and fence move on, so that whoever works on the flow right now cannot revive it.
-- name: ExpireFlows :execrows
UPDATE flows SET status = 'expired', body = @nothing, version = version + 1, fence = fence + 1, lease_owner = '',
    lease_until = 0, work_due = 0, updated_at = @now
WHERE id IN (
    SELECT f.id FROM flows f WHERE f.status = 'in_progress' AND f.expires_at > 0 AND f.expires_at < @now
    ORDER BY f.expires_at LIMIT @page) AND status = 'in_progress';
