-- name: ReservePace :one
INSERT INTO paces (name, free_at) VALUES (@name, @fresh)
ON CONFLICT (name) DO UPDATE SET free_at = CASE
    WHEN paces.free_at < @now OR paces.free_at > @horizon THEN @fresh
    ELSE paces.free_at + @cost END
RETURNING free_at;
