-- name: CreateAccount :execrows
INSERT INTO accounts (id, application_id, external_id, provider, name, identity, proof, status, reason, status_at,
    sources, params, metadata, options, secret, warnings, sequence, test, created_at, updated_at, checked_at,
    provider_app, expires_at, refresh_at, check_at, watch, auth_server, notify)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)
ON CONFLICT DO NOTHING;

-- name: GetAccount :one
SELECT * FROM accounts WHERE id = $1 AND application_id = $2;

-- name: GetAccountForUpdate :one
SELECT * FROM accounts WHERE id = $1 AND application_id = $2 FOR UPDATE;

-- name: AccountByExternalID :one
SELECT * FROM accounts WHERE application_id = $1 AND external_id = $2 AND external_id <> '';

-- name: AccountByExternalIDForUpdate :one
SELECT * FROM accounts WHERE application_id = $1 AND external_id = $2 AND external_id <> '' FOR UPDATE;

-- name: UpdateAccount :execrows
UPDATE accounts SET provider = @provider, name = @name, identity = @identity, proof = @proof, status = @status,
    reason = @reason, status_at = @status_at, sources = @sources, params = @params, metadata = @metadata,
    options = @options, secret = @secret, warnings = @warnings, test = @test, updated_at = @updated_at,
    checked_at = @checked_at, provider_app = @provider_app, expires_at = @expires_at, refresh_at = @refresh_at,
    check_at = @check_at, watch = @watch, auth_server = @auth_server, notify = @notify
WHERE id = @id AND application_id = @application_id;

-- name: NextAccountSequence :one
UPDATE accounts SET sequence = sequence + 1,
    event_at = CASE WHEN event_at > CAST(@now AS bigint) THEN event_at ELSE CAST(@now AS bigint) END
WHERE id = @id RETURNING sequence, event_at;

-- name: DeleteAccount :execrows
DELETE FROM accounts WHERE application_id = $1 AND id = $2;

-- name: ListAccounts :many
SELECT * FROM accounts WHERE application_id = @application_id AND id < @before
ORDER BY id DESC LIMIT @page;

-- name: ListAccountsByStatus :many
SELECT * FROM accounts WHERE application_id = @application_id AND status = @status AND id < @before
ORDER BY id DESC LIMIT @page;

-- name: CountAccountsByStatus :many
SELECT status, count(*) AS n FROM accounts WHERE application_id = @application_id GROUP BY status;

-- name: DueForRefresh :many
SELECT * FROM accounts WHERE provider = @provider AND refresh_at > 0 AND refresh_at <= @now
ORDER BY refresh_at LIMIT @page;

-- name: ClaimRefresh :execrows
UPDATE accounts SET refresh_at = @until, refresh_claim = @until WHERE id = @id AND refresh_at = @was;

-- name: CountSameGrant :one
SELECT count(*) FROM accounts
WHERE accounts.identity = @identity AND accounts.provider = @provider AND accounts.provider_app <> ''
  AND (accounts.provider_app = @provider_app OR accounts.provider_app IN (
    SELECT twin.id FROM provider_apps AS mine JOIN provider_apps AS twin
      ON twin.client_id = mine.client_id AND twin.provider = mine.provider
    WHERE mine.id = @provider_app
  ));

-- name: CountAccountsOfProviderApp :one
SELECT count(*) FROM accounts WHERE application_id = @application_id AND provider_app = @provider_app;

-- name: CountAccount :one
SELECT count(*) FROM accounts WHERE id = $1;
