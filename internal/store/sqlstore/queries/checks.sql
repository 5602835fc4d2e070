-- name: DueForCheck :many
SELECT id, application_id, provider, params, status, check_at FROM accounts
WHERE provider = @provider AND check_at > 0 AND check_at <= @now AND (check_at, id) > (CAST(@after AS bigint), CAST(@after_id AS text))
ORDER BY check_at, id LIMIT @page;

-- name: StrandedChecks :many
SELECT id, application_id, provider, params, status, check_at FROM accounts
WHERE provider = @provider AND check_at > 0 AND check_at > @horizon
ORDER BY check_at, id LIMIT @page;

-- name: ClaimCheck :execrows
UPDATE accounts SET check_at = @until WHERE id = @id AND check_at = @was;

-- name: FinishCheck :execrows
UPDATE accounts SET checked_at = @checked_at, check_at = @check_at, watch = @watch
WHERE id = @id AND check_at = @claim AND updated_at = @updated_at;
