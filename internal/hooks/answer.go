package hooks

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"latchkey"
)

// The log keeps what receivers answer for 30 days. A receiver that answers every delivery with a whole
// page would fill the database with them: of one receiver a process keeps so much a day at full length,
// and of what is more the beginning.
const (
	shortAnswer   = 1 << 10
	answersADay   = 16 << 20
	answersAtOnce = 4 << 20
	// maxAnswering bounds the receivers that are remembered.
	maxAnswering = 10_000
)

// answers bounds what is kept of receivers' answers.
type answers struct {
	mu   sync.Mutex
	left map[string]*rate.Limiter
}

// cut returns as much of an answer as is kept.
func (a *answers) cut(receiver string, body []byte, now time.Time) []byte {
	if len(body) <= shortAnswer {
		return body
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.left[receiver]
	if l == nil {
		if a.left == nil || len(a.left) >= maxAnswering {
			a.left = map[string]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Limit(answersADay/(24*time.Hour).Seconds()), answersAtOnce)
		a.left[receiver] = l
	}
	if l.AllowN(now, len(body)) {
		return body
	}
	return body[:shortAnswer:shortAnswer]
}

// receiverName is who answers a delivery: its endpoint, or the host of a notify_url.
func receiverName(d latchkey.Delivery) string {
	if d.EndpointID != "" {
		return string(d.EndpointID)
	}
	return receiverOf(d.ApplicationID, d.URL)
}
