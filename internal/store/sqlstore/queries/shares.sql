-- name: BeatMember :exec
INSERT INTO members (id, beat) VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET beat = members.beat + 1;

-- name: BeatShares :exec
UPDATE shares SET beat = beat + 1 WHERE owner = $1;

-- name: ListMembers :many
SELECT * FROM members ORDER BY id;

-- name: ListShares :many
SELECT * FROM shares ORDER BY number;

-- name: TakeShare :execrows
UPDATE shares SET owner = @member, beat = beat + 1 WHERE number = @number AND owner = @owner AND beat = @beat;

-- name: ReleaseShare :execrows
UPDATE shares SET owner = '', beat = beat + 1 WHERE number = @number AND owner = @owner;

-- name: ReleaseShares :exec
UPDATE shares SET owner = '', beat = beat + 1 WHERE owner = $1;

-- name: ForgetMember :execrows
DELETE FROM members WHERE id = $1 AND beat = $2;

-- name: DeleteMember :exec
DELETE FROM members WHERE id = $1;
