-- name: WantKeep :execrows
INSERT INTO keeps (account_id, application_id, provider, owner, fence, due, fails)
VALUES (@account_id, @application_id, @provider, '', 1, @due, 0)
ON CONFLICT (account_id) DO UPDATE SET owner = '', fence = keeps.fence + 1, due = excluded.due, fails = 0;

-- name: GetKeep :one
SELECT * FROM keeps WHERE account_id = $1;

-- name: GetKeepForUpdate :one
SELECT * FROM keeps WHERE account_id = $1 FOR UPDATE;

-- name: DueKeeps :many
SELECT * FROM keeps WHERE owner = '' AND due > 0 AND due <= @now ORDER BY due, account_id LIMIT @page;

-- name: CountDueKeeps :one
SELECT count(*) FROM (SELECT 1 FROM keeps WHERE owner = '' AND due > 0 AND due <= @now LIMIT @page) AS due_now;

-- name: CountKeeps :one
SELECT count(*) FROM keeps WHERE due > 0;

-- name: HeldKeeps :many
SELECT * FROM keeps WHERE owner = @owner AND owner <> '';

-- name: ClaimKeep :execrows
UPDATE keeps SET owner = @owner, fence = fence + 1
WHERE account_id = @account_id AND owner = '' AND fence = @fence;

-- name: ReleaseKeep :execrows
UPDATE keeps SET owner = '', due = @due, fails = @fails WHERE account_id = @account_id AND fence = @fence;

-- name: ReleaseKeepsOf :execrows
UPDATE keeps SET owner = '', fence = fence + 1, due = CASE WHEN due > 0 THEN CAST(@due AS bigint) ELSE 0 END
WHERE owner = @owner AND owner <> '';

-- name: StopKeep :execrows
UPDATE keeps SET due = 0 WHERE account_id = $1;

-- name: DeleteKeep :execrows
DELETE FROM keeps WHERE account_id = @account_id AND fence = @fence;

-- name: JoinKeepers :execrows
INSERT INTO keepers (owner, alive_until) VALUES (@owner, @alive_until)
ON CONFLICT DO NOTHING;

-- name: BeatKeeper :execrows
UPDATE keepers SET alive_until = @alive_until WHERE owner = @owner;

-- name: LeaveKeepers :execrows
DELETE FROM keepers WHERE owner = $1;

-- name: AliveKeepers :one
SELECT count(*) FROM keepers WHERE alive_until > @now;

-- name: DeadKeepers :many
SELECT owner FROM keepers WHERE alive_until <= @now;

-- name: BuryKeeper :execrows
DELETE FROM keepers WHERE owner = @owner AND alive_until <= @now;

-- name: MemoryIn :many
SELECT place, value FROM account_memory WHERE account_id = @account_id AND place >= @first AND place < @past;

-- name: MemoryAt :many
SELECT place, value FROM account_memory WHERE account_id = @account_id AND place = @place;

-- name: PutMemory :execrows
INSERT INTO account_memory (account_id, place, application_id, value) VALUES (@account_id, @place, @application_id, @value)
ON CONFLICT (account_id, place) DO UPDATE SET value = excluded.value;

-- name: ForgetMemoryIn :execrows
DELETE FROM account_memory WHERE account_id = @account_id AND place >= @first AND place < @past;

-- name: ForgetMemoryAt :execrows
DELETE FROM account_memory WHERE account_id = @account_id AND place = @place;

-- name: MemorySealedOtherwise :many
SELECT account_id, place, application_id, value AS sealed FROM account_memory
WHERE (account_id, place) > (CAST(@after_account AS text), CAST(@after_place AS text))
    AND length(value) > 0 AND substr(value, 1, 5) <> @prefix
ORDER BY account_id, place LIMIT @page;

-- name: SwapMemory :execrows
UPDATE account_memory SET value = @sealed WHERE account_id = @account_id AND place = @place AND value = @was;

-- name: CountMemorySealedWith :one
SELECT count(*) FROM account_memory WHERE length(value) > 0 AND substr(value, 1, 5) = @prefix;
