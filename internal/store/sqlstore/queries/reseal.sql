-- Sealed values begin with the five bytes that name their key.

-- name: FlowsSealedOtherwise :many
SELECT id, application_id, body AS sealed FROM flows
WHERE id > @after AND length(body) > 0 AND substr(body, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapFlowBody :execrows
UPDATE flows SET body = @sealed WHERE id = @id AND body = @was;

-- name: CountFlowsSealedWith :one
SELECT count(*) FROM flows WHERE length(body) > 0 AND substr(body, 1, 5) = @prefix;

-- name: AccountsSealedOtherwise :many
SELECT id, application_id, secret AS sealed FROM accounts
WHERE id > @after AND length(secret) > 0 AND substr(secret, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapAccountSecret :execrows
UPDATE accounts SET secret = @sealed WHERE id = @id AND secret = @was;

-- name: CountAccountsSealedWith :one
SELECT count(*) FROM accounts WHERE length(secret) > 0 AND substr(secret, 1, 5) = @prefix;

-- name: ApplicationsSealedOtherwise :many
SELECT id, webhook_secret AS sealed FROM applications
WHERE id > @after AND length(webhook_secret) > 0 AND substr(webhook_secret, 1, 5) <> @prefix
ORDER BY id LIMIT @page;

-- name: ApplicationOldSecretsSealedOtherwise :many
SELECT id, old_webhook_secret AS sealed FROM applications
WHERE id > @after AND length(old_webhook_secret) > 0 AND substr(old_webhook_secret, 1, 5) <> @prefix
ORDER BY id LIMIT @page;

-- name: SwapApplicationOldSecret :execrows
UPDATE applications SET old_webhook_secret = @sealed WHERE id = @id AND old_webhook_secret = @was;

-- name: CountApplicationOldSecretsSealedWith :one
SELECT count(*) FROM applications
WHERE length(old_webhook_secret) > 0 AND substr(old_webhook_secret, 1, 5) = @prefix;

-- name: SwapApplicationSecret :execrows
UPDATE applications SET webhook_secret = @sealed WHERE id = @id AND webhook_secret = @was;

-- name: CountApplicationsSealedWith :one
SELECT count(*) FROM applications
WHERE length(webhook_secret) > 0 AND substr(webhook_secret, 1, 5) = @prefix;

-- name: IdempotencySealedOtherwise :many
SELECT application_id, route, key_hash, body AS sealed FROM idempotency
WHERE length(body) > 0 AND substr(body, 1, 5) <> @prefix
ORDER BY application_id, route, key_hash LIMIT @page OFFSET @skip;

-- name: SwapIdempotencyBody :execrows
UPDATE idempotency SET body = @sealed
WHERE application_id = @application_id AND route = @route AND key_hash = @key_hash AND body = @was;

-- name: CountIdempotencySealedWith :one
SELECT count(*) FROM idempotency WHERE length(body) > 0 AND substr(body, 1, 5) = @prefix;

-- name: ProviderAppSecretsSealedOtherwise :many
SELECT id, application_id, client_secret AS sealed FROM provider_apps
WHERE id > @after AND length(client_secret) > 0 AND substr(client_secret, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapProviderAppSecret :execrows
UPDATE provider_apps SET client_secret = @sealed WHERE id = @id AND client_secret = @was;

-- name: CountProviderAppSecretsSealedWith :one
SELECT count(*) FROM provider_apps WHERE length(client_secret) > 0 AND substr(client_secret, 1, 5) = @prefix;

-- name: ProviderAppServiceAccountsSealedOtherwise :many
SELECT id, application_id, service_account AS sealed FROM provider_apps
WHERE id > @after AND length(service_account) > 0 AND substr(service_account, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapProviderAppServiceAccount :execrows
UPDATE provider_apps SET service_account = @sealed WHERE id = @id AND service_account = @was;

-- name: CountProviderAppServiceAccountsSealedWith :one
SELECT count(*) FROM provider_apps WHERE length(service_account) > 0 AND substr(service_account, 1, 5) = @prefix;

-- name: SenderPasswordsSealedOtherwise :many
SELECT id, application_id, password AS sealed FROM senders
WHERE id > @after AND length(password) > 0 AND substr(password, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapSenderPassword :execrows
UPDATE senders SET password = @sealed WHERE id = @id AND password = @was;

-- name: CountSenderPasswordsSealedWith :one
SELECT count(*) FROM senders WHERE length(password) > 0 AND substr(password, 1, 5) = @prefix;

-- name: SenderSecretsSealedOtherwise :many
SELECT id, application_id, client_secret AS sealed FROM senders
WHERE id > @after AND length(client_secret) > 0 AND substr(client_secret, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapSenderSecret :execrows
UPDATE senders SET client_secret = @sealed WHERE id = @id AND client_secret = @was;

-- name: CountSenderSecretsSealedWith :one
SELECT count(*) FROM senders WHERE length(client_secret) > 0 AND substr(client_secret, 1, 5) = @prefix;

-- name: SenderServiceAccountsSealedOtherwise :many
SELECT id, application_id, service_account AS sealed FROM senders
WHERE id > @after AND length(service_account) > 0 AND substr(service_account, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapSenderServiceAccount :execrows
UPDATE senders SET service_account = @sealed WHERE id = @id AND service_account = @was;

-- name: CountSenderServiceAccountsSealedWith :one
SELECT count(*) FROM senders WHERE length(service_account) > 0 AND substr(service_account, 1, 5) = @prefix;

-- name: MailsSealedOtherwise :many
SELECT id, application_id, body AS sealed FROM mails
WHERE id > @after AND length(body) > 0 AND substr(body, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapMailBody :execrows
UPDATE mails SET body = @sealed WHERE id = @id AND body = @was;

-- name: CountMailsSealedWith :one
SELECT count(*) FROM mails WHERE length(body) > 0 AND substr(body, 1, 5) = @prefix;
-- name: EndpointSecretsSealedOtherwise :many
SELECT id, application_id, secret AS sealed FROM endpoints
WHERE id > @after AND length(secret) > 0 AND substr(secret, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapEndpointSecret :execrows
UPDATE endpoints SET secret = @sealed WHERE id = @id AND secret = @was;

-- name: CountEndpointSecretsSealedWith :one
SELECT count(*) FROM endpoints WHERE length(secret) > 0 AND substr(secret, 1, 5) = @prefix;

-- name: EndpointOldSecretsSealedOtherwise :many
SELECT id, application_id, old_secret AS sealed FROM endpoints
WHERE id > @after AND length(old_secret) > 0 AND substr(old_secret, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapEndpointOldSecret :execrows
UPDATE endpoints SET old_secret = @sealed WHERE id = @id AND old_secret = @was;

-- name: CountEndpointOldSecretsSealedWith :one
SELECT count(*) FROM endpoints WHERE length(old_secret) > 0 AND substr(old_secret, 1, 5) = @prefix;

-- name: EndpointHeadersSealedOtherwise :many
SELECT id, application_id, headers AS sealed FROM endpoints
WHERE id > @after AND length(headers) > 0 AND substr(headers, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapEndpointHeaders :execrows
UPDATE endpoints SET headers = @sealed WHERE id = @id AND headers = @was;

-- name: CountEndpointHeadersSealedWith :one
SELECT count(*) FROM endpoints WHERE length(headers) > 0 AND substr(headers, 1, 5) = @prefix;

-- name: SigningKeysSealedOtherwise :many
SELECT application_id, algorithm, generation, private_key AS sealed FROM signing_keys
WHERE length(private_key) > 0 AND substr(private_key, 1, 5) <> @prefix
ORDER BY application_id, algorithm, generation LIMIT @page OFFSET @skip;

-- name: SwapSigningKey :execrows
UPDATE signing_keys SET private_key = @sealed
WHERE application_id = @application_id AND algorithm = @algorithm AND generation = @generation AND private_key = @was;

-- name: CountSigningKeysSealedWith :one
SELECT count(*) FROM signing_keys WHERE length(private_key) > 0 AND substr(private_key, 1, 5) = @prefix;

-- name: LinkProxiesSealedOtherwise :many
SELECT id, application_id, proxy AS sealed FROM links
WHERE id > @after AND length(proxy) > 0 AND substr(proxy, 1, 5) <> @prefix ORDER BY id LIMIT @page;

-- name: SwapLinkProxy :execrows
UPDATE links SET proxy = @sealed WHERE id = @id AND proxy = @was;

-- name: CountLinkProxiesSealedWith :one
SELECT count(*) FROM links WHERE length(proxy) > 0 AND substr(proxy, 1, 5) = @prefix;
