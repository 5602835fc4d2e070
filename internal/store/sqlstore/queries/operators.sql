-- name: CreateOperator :execrows
INSERT INTO operators (id, email, address, name, owner, accepted_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING;

-- name: GetOperator :one
SELECT * FROM operators WHERE id = $1;

-- name: GetOperatorForUpdate :one
SELECT * FROM operators WHERE id = $1 FOR UPDATE;

-- name: OperatorByAddress :one
SELECT * FROM operators WHERE address = $1;

-- name: ListOperators :many
SELECT * FROM operators ORDER BY id;

-- name: UpdateOperator :execrows
UPDATE operators SET email = @email, name = @name, owner = @owner, accepted_at = @accepted_at, updated_at = @updated_at
WHERE id = @id;

-- name: DeleteOperator :execrows
DELETE FROM operators WHERE id = $1;

-- name: PutMember :execrows
INSERT INTO memberships (application_id, operator_id, role, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (application_id, operator_id) DO UPDATE SET role = excluded.role;

-- name: RemoveMember :execrows
DELETE FROM memberships WHERE application_id = $1 AND operator_id = $2;

-- name: RemoveMemberships :exec
DELETE FROM memberships WHERE operator_id = $1;

-- name: MembershipsOf :many
SELECT * FROM memberships WHERE operator_id = $1 ORDER BY application_id;

-- name: MembersOf :many
SELECT * FROM memberships WHERE application_id = $1 ORDER BY operator_id;

-- name: CreateLogin :execrows
INSERT INTO logins (id, operator_id, token_hash, method, user_agent, address, created_at, seen_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING;

-- name: LoginByToken :one
SELECT * FROM logins WHERE token_hash = $1;

-- name: TouchLogin :execrows
UPDATE logins SET seen_at = @seen_at WHERE id = @id;

-- name: ListLogins :many
SELECT * FROM logins WHERE operator_id = $1 ORDER BY id DESC;

-- name: DeleteLogin :execrows
DELETE FROM logins WHERE operator_id = $1 AND id = $2;

-- name: DeleteLoginsOf :execrows
DELETE FROM logins WHERE operator_id = $1;

-- name: DeleteEndedLogins :execrows
DELETE FROM logins WHERE id IN (
    SELECT l.id FROM logins l WHERE l.expires_at <= @now OR l.seen_at <= @idle_since LIMIT @page);

-- name: CreatePasskey :execrows
INSERT INTO passkeys (id, operator_id, name, credential_id, credential, created_at, used_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING;

-- name: PasskeyByCredential :one
SELECT * FROM passkeys WHERE credential_id = $1;

-- name: ListPasskeys :many
SELECT * FROM passkeys WHERE operator_id = $1 ORDER BY id DESC;

-- name: UsePasskey :execrows
UPDATE passkeys SET credential = @credential, used_at = @used_at WHERE id = @id;

-- name: DeletePasskey :execrows
DELETE FROM passkeys WHERE operator_id = $1 AND id = $2;

-- name: DeletePasskeysOf :exec
DELETE FROM passkeys WHERE operator_id = $1;

-- name: CreateOneTime :execrows
INSERT INTO one_times (token_hash, kind, operator_id, body, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING;

-- name: GetOneTime :one
SELECT * FROM one_times WHERE token_hash = $1 AND kind = $2;

-- name: TakeOneTime :one
DELETE FROM one_times WHERE token_hash = $1 AND kind = $2 RETURNING *;

-- name: DeleteOneTimesOf :execrows
DELETE FROM one_times WHERE operator_id = $1 AND kind = $2;

-- name: DeleteAllOneTimesOf :exec
DELETE FROM one_times WHERE operator_id = $1;

-- name: DeleteExpiredOneTimes :execrows
DELETE FROM one_times WHERE token_hash IN (
    SELECT o.token_hash FROM one_times o WHERE o.expires_at <= @now ORDER BY o.expires_at LIMIT @page);
