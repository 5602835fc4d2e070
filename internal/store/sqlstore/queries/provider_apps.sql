-- name: CreateProviderApp :execrows
INSERT INTO provider_apps (id, application_id, provider, name, client_id, client_secret, service_account, tenant, cloud,
    domain, extra_scopes, skip_scopes, protocol, is_default, flag, created_at, updated_at, declared)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT DO NOTHING;

-- name: GetProviderApp :one
SELECT * FROM provider_apps WHERE id = $1 AND application_id = $2;

-- name: GetProviderAppForUpdate :one
SELECT * FROM provider_apps WHERE id = $1 AND application_id = $2 FOR UPDATE;

-- name: ListProviderApps :many
SELECT * FROM provider_apps WHERE application_id = $1 ORDER BY id;

-- name: UpdateProviderApp :execrows
UPDATE provider_apps SET name = @name, client_id = @client_id, client_secret = @client_secret,
    service_account = @service_account, tenant = @tenant, cloud = @cloud, domain = @domain,
    extra_scopes = @extra_scopes, skip_scopes = @skip_scopes, protocol = @protocol, is_default = @is_default,
    flag = @flag, updated_at = @updated_at, declared = @declared
WHERE id = @id AND application_id = @application_id;

-- name: ClearDefaultProviderApp :execrows
UPDATE provider_apps SET is_default = false
WHERE application_id = @application_id AND provider = @provider AND is_default AND id <> @id;

-- name: DeleteProviderApp :execrows
DELETE FROM provider_apps WHERE application_id = $1 AND id = $2;
