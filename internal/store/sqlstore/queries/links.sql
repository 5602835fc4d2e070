-- name: CreateLink :execrows
INSERT INTO links (id, application_id, token_hash, type, dialect, status, name, created_at, updated_at, expires_at,
    flow_id, account_id, last_failure, opened_count, test, terms, tell_expiry, key_id, proxy)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT DO NOTHING;

-- name: GetLink :one
SELECT * FROM links WHERE id = $1;

-- name: GetLinkProxy :one
SELECT application_id, proxy FROM links WHERE id = $1;

-- name: GetLinkForUpdate :one
SELECT * FROM links WHERE id = $1 FOR UPDATE;

-- name: LinkByToken :one
SELECT * FROM links WHERE token_hash = $1;

-- name: UpdateLink :execrows
UPDATE links SET type = @type, dialect = @dialect, status = @status, name = @name, updated_at = @updated_at,
    expires_at = @expires_at, flow_id = @flow_id, account_id = @account_id, last_failure = @last_failure, test = @test
WHERE id = @id AND application_id = @application_id;

-- name: AddOpened :one
UPDATE links SET opened_count = opened_count + @n WHERE id = @id RETURNING opened_count;

-- name: LinksDueToExpire :many
SELECT * FROM links WHERE tell_expiry > 0 AND tell_expiry <= @now ORDER BY tell_expiry LIMIT @page;

-- name: TellLinkExpiry :execrows
UPDATE links SET tell_expiry = @tell_expiry WHERE id = @id;

-- name: WatchLinkExpiry :execrows
UPDATE links SET tell_expiry = expires_at WHERE id IN (
    SELECT l.id FROM links l
    WHERE l.application_id = @application_id AND l.status = @status AND l.expires_at > @after AND l.tell_expiry = 0
    LIMIT @page);

-- name: ListLinks :many
SELECT * FROM links WHERE application_id = @application_id AND dialect <> 'direct' AND id < @before
ORDER BY id DESC LIMIT @page;

-- name: ListLinksByStatus :many
SELECT * FROM links
WHERE application_id = @application_id AND status = @status AND dialect <> 'direct' AND id < @before AND expires_at > @expires_after
ORDER BY id DESC LIMIT @page;

-- The terms repeat latchkey.Link.StatusAt.
-- name: ListLinksExpired :many
SELECT * FROM links
WHERE application_id = @application_id AND dialect <> 'direct' AND id < @before AND (status = 'expired'
    OR (status = 'in_progress' AND expires_at <= @grace_over)
    OR (status IN ('created', 'failed', 'canceled') AND expires_at <= @now))
ORDER BY id DESC LIMIT @page;

-- name: ListLinksByName :many
SELECT * FROM links
WHERE application_id = @application_id AND name = @name AND name <> '' AND dialect <> 'direct' AND id < @before
ORDER BY id DESC LIMIT @page;

-- name: ListLinksByNameAndStatus :many
SELECT * FROM links
WHERE application_id = @application_id AND name = @name AND name <> '' AND status = @status AND dialect <> 'direct' AND id < @before
    AND expires_at > @expires_after
ORDER BY id DESC LIMIT @page;

-- name: ListLinksByNameExpired :many
SELECT * FROM links
WHERE application_id = @application_id AND name = @name AND name <> '' AND dialect <> 'direct' AND id < @before AND (status = 'expired'
    OR (status = 'in_progress' AND expires_at <= @grace_over)
    OR (status IN ('created', 'failed', 'canceled') AND expires_at <= @now))
ORDER BY id DESC LIMIT @page;
