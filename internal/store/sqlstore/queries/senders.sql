-- name: CreateSender :execrows
INSERT INTO senders (id, application_id, kind, email, address, name, host, port, username, password, provider, client_id,
    client_secret, tenant, service_account, transport, secret_expires_at, fallback, proof_hash, owned_at, checked_at, problem,
    created_at, updated_at, proof_expires_at, secret_told)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)
ON CONFLICT DO NOTHING;

-- name: GetSender :one
SELECT * FROM senders WHERE id = $1 AND application_id = $2;

-- name: GetSenderForUpdate :one
SELECT * FROM senders WHERE id = $1 AND application_id = $2 FOR UPDATE;

-- name: ListSenders :many
SELECT * FROM senders WHERE application_id = $1 ORDER BY id;

-- name: SenderByProof :one
SELECT * FROM senders WHERE proof_hash = @proof_hash;

-- name: UpdateSender :execrows
UPDATE senders SET kind = @kind, email = @email, address = @address, name = @name, host = @host, port = @port,
    username = @username, password = @password, provider = @provider, client_id = @client_id, client_secret = @client_secret,
    tenant = @tenant, service_account = @service_account, transport = @transport, secret_expires_at = @secret_expires_at,
    fallback = @fallback, proof_hash = @proof_hash, owned_at = @owned_at, checked_at = @checked_at, problem = @problem,
    updated_at = @updated_at, proof_expires_at = @proof_expires_at, secret_told = @secret_told
WHERE id = @id AND application_id = @application_id;

-- name: DeleteSender :execrows
DELETE FROM senders WHERE application_id = $1 AND id = $2;

-- name: SendersWithEndingSecret :many
SELECT * FROM senders
WHERE secret_expires_at > 0 AND ((secret_told = 0 AND secret_expires_at <= @first) OR (secret_told = @first_days AND secret_expires_at <= @last))
ORDER BY secret_expires_at, id LIMIT @page;

-- name: SenderProvedWith :many
SELECT id FROM senders WHERE address = @address AND owned_at > 0 LIMIT 1;
