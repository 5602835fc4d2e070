package hooks

import (
	"net/http"
	"time"
)

// SignRequest sets the Standard Webhooks headers on a request that is no notification.
func SignRequest(h http.Header, secret, id string, at time.Time, payload []byte) error {
	return sign(h, []string{secret}, id, at, payload)
}
