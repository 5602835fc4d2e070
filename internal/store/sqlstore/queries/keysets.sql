-- name: LoadKeyset :one
SELECT wrapped, version FROM keysets WHERE id = 'main';

-- name: InsertKeyset :execrows
INSERT INTO keysets (id, wrapped, version, updated_at) VALUES ('main', @wrapped, 1, @updated_at)
ON CONFLICT DO NOTHING;

-- name: SwapKeyset :execrows
UPDATE keysets SET wrapped = @wrapped, version = version + 1, updated_at = @updated_at
WHERE id = 'main' AND version = @expected;
