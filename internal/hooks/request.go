package hooks

import (
	"net/http"
	"time"
)

// SignRequest sets the Standard Webhooks headers on a request that is no notification, with a signature for
// each secret.
func SignRequest(h http.Header, secrets []string, id string, at time.Time, payload []byte) error {
	return sign(h, secrets, id, at, payload)
}
