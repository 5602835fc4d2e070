-- name: CreateSignIn :execrows
INSERT INTO signins (id, application_id, email, address, status, withheld, locale, device, browser_hash, redirect_uri, state, oidc,
    sends, sent_at, code_mac, link_hash, code_pad, tries, expires_at,
    code_mac_before, link_hash_before, code_pad_before, tries_before, expires_at_before,
    method, proved_at, completed_at, revoked_at, created_at, network, familiar)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)
ON CONFLICT DO NOTHING;

-- name: GetSignIn :one
SELECT * FROM signins WHERE id = $1;

-- name: CountSignInTry :one
UPDATE signins SET tries = tries + 1, tries_before = tries_before + 1
WHERE id = @id AND application_id = @application_id AND status = 'pending' AND tries < @most
RETURNING *;

-- name: RenewSignIn :execrows
UPDATE signins SET withheld = @withheld, sends = sends + 1, sent_at = @sent_at,
    code_mac_before = code_mac, link_hash_before = link_hash, code_pad_before = code_pad,
    tries_before = tries, expires_at_before = expires_at,
    code_mac = @code_mac, link_hash = @link_hash, code_pad = @code_pad, tries = 0, expires_at = @expires_at
WHERE id = @id AND application_id = @application_id AND status = 'pending' AND sends = @sends;

-- name: ProveSignIn :execrows
UPDATE signins SET status = 'proved', method = @method, proved_at = @at
WHERE id = @id AND application_id = @application_id AND status = 'pending';

-- name: CompleteSignIn :execrows
UPDATE signins SET status = 'completed', completed_at = @at
WHERE id = @id AND application_id = @application_id AND status = 'proved';

-- name: RevokeSignIn :execrows
UPDATE signins SET revoked_at = @at WHERE id = @id AND application_id = @application_id AND revoked_at = 0;

-- name: DeleteExpiredSignIns :execrows
DELETE FROM signins WHERE id IN (SELECT s.id FROM signins s WHERE s.expires_at < @before ORDER BY s.expires_at LIMIT @page);

-- name: AddSignInRule :execrows
INSERT INTO signin_rules (application_id, list, pattern, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: DeleteSignInRule :execrows
DELETE FROM signin_rules WHERE application_id = $1 AND list = $2 AND pattern = $3;

-- name: ClearSignInRules :execrows
DELETE FROM signin_rules WHERE application_id = $1 AND list = $2;

-- name: CountSignInRules :one
SELECT count(*) FROM signin_rules WHERE application_id = $1 AND list = $2;

-- name: ListSignInRules :many
SELECT pattern FROM signin_rules WHERE application_id = @application_id AND list = @list AND pattern > @after
ORDER BY pattern LIMIT @page;

-- name: MatchSignInRules :many
SELECT list, pattern FROM signin_rules
WHERE application_id = @application_id AND list IN ('allow', 'block') AND pattern IN (@p1, @p2, @p3, @p4, @p5, @mailbox);

-- name: AnySignInRule :many
SELECT list FROM signin_rules WHERE application_id = $1 AND list = $2 LIMIT 1;
