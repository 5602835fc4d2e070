package hooks

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The schedule of retries: 5 s, 20 s, 80 s, 5 min, 21 min, 85 min, 6 h, then every 8 h, until 3 days
// after the delivery was enqueued; each time spread by a fifth, so that receivers that come back
// are not met by everybody at once.
const (
	firstDelay    = 5 * time.Second
	delayFactor   = 4
	maxDelay      = 8 * time.Hour
	jitterShare   = 0.2
	maxRetryAfter = 24 * time.Hour
	giveUpAfter   = 72 * time.Hour
	// lastTryGap is how far the last try has to lie from the one before it to be worth it.
	lastTryGap = 10 * time.Minute
)

// nextDelay says when to try again after the given number of tries, or that it is over. A
// receiver's own wish (retryAfter) may make it later, but not for ever.
func nextDelay(tries int, age, retryAfter time.Duration, jitter float64) (time.Duration, bool) {
	left := giveUpAfter - age
	if left <= 0 {
		return 0, false
	}
	d := firstDelay
	for range tries - 1 {
		d *= delayFactor
		if d >= maxDelay {
			d = maxDelay
			break
		}
	}
	d += time.Duration(float64(d) * jitterShare * (2*jitter - 1))
	d = max(d, min(retryAfter, maxRetryAfter))
	if d <= left {
		return d, true
	}
	// One more try on the last moment, unless it would only repeat the one that just failed.
	return left, left >= lastTryGap
}

// parseRetryAfter reads a Retry-After header (RFC 9110 §10.2.3): seconds or a date. What cannot be
// read, or lies in the past, is 0.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if secs, err := strconv.ParseUint(v, 10, 63); err == nil {
		// Beyond the cap the exact number does not matter; multiplied it could overflow.
		return time.Duration(min(secs, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return max(0, t.Sub(now))
}
