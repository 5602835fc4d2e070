-- name: CreateApplication :execrows
INSERT INTO applications (id, name, test, providers, webhook_secret, sender, created_at, auth_server_url, reconnect_email, reconnect_email_after,
    old_webhook_secret, old_secret_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT DO NOTHING;

-- name: GetApplication :one
SELECT * FROM applications WHERE id = $1;

-- name: LockApplication :one
SELECT id FROM applications WHERE id = $1 FOR NO KEY UPDATE;

-- name: ApplicationByName :one
SELECT * FROM applications WHERE name = $1;

-- name: ListApplications :many
SELECT * FROM applications ORDER BY id DESC;

-- name: FollowApplication :execrows
UPDATE applications SET followed_until = CASE WHEN followed_until > CAST(@until AS bigint) THEN followed_until ELSE CAST(@until AS bigint) END
WHERE id = @id;

-- name: FollowedUntil :one
SELECT followed_until FROM applications WHERE id = $1;

-- name: UpdateApplication :execrows
UPDATE applications SET name = @name, test = @test, providers = @providers, webhook_secret = @webhook_secret,
    sender = @sender, auth_server_url = @auth_server_url, reconnect_email = @reconnect_email,
    reconnect_email_after = @reconnect_email_after, old_webhook_secret = @old_webhook_secret, old_secret_until = @old_secret_until
WHERE id = @id;
