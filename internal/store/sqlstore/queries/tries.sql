-- name: CountTry :one
INSERT INTO tries (bucket, length_ms, window_start, n, expires_at) VALUES ($1, $2, $3, 1, $4)
ON CONFLICT (bucket, length_ms, window_start) DO UPDATE SET n = tries.n + 1
RETURNING n;

-- name: DeleteExpiredTries :execrows
DELETE FROM tries WHERE (bucket, length_ms, window_start) IN (
    SELECT t.bucket, t.length_ms, t.window_start FROM tries t WHERE t.expires_at <= @now
    ORDER BY t.expires_at LIMIT @page);

-- name: ForgiveTry :execrows
UPDATE tries SET n = n - 1 WHERE bucket = @bucket AND length_ms = @length_ms AND window_start = @window_start AND n > 0;
