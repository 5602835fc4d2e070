-- name: CreateReconnectURL :execrows
INSERT INTO reconnect_urls (id, application_id, account_id, token_hash, name, terms, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING;

-- name: TrimReconnectURLs :execrows
DELETE FROM reconnect_urls WHERE reconnect_urls.account_id = @account_id AND reconnect_urls.id <= (
    SELECT u.id FROM reconnect_urls u WHERE u.account_id = @account_id ORDER BY u.id DESC LIMIT 1 OFFSET @keep);

-- name: ReconnectURLByToken :one
SELECT * FROM reconnect_urls WHERE token_hash = $1;

-- name: DeleteReconnectURLsOf :execrows
DELETE FROM reconnect_urls WHERE account_id = @account_id AND application_id = @application_id;

-- name: DeleteReconnectURL :execrows
DELETE FROM reconnect_urls WHERE id = @id AND application_id = @application_id;

-- name: DeleteExpiredReconnectURLs :execrows
DELETE FROM reconnect_urls WHERE id IN (
    SELECT u.id FROM reconnect_urls u WHERE u.expires_at < @before ORDER BY u.expires_at LIMIT @page);
