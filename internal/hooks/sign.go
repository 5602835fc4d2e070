package hooks

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Secrets as the Standard Webhooks specification has them.
const (
	secretPrefix = "whsec_"
	secretBytes  = 32
	minSecret    = 24
	maxSecret    = 64
)

// NewSecret makes a secret for signing: "whsec_" and base64 of 32 random bytes.
func NewSecret() string {
	var b [secretBytes]byte
	// crypto/rand.Read never fails: it ends the program where the system has no randomness.
	_, _ = rand.Read(b[:])
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// ErrSecret says what a signing secret looks like, and never holds one.
var ErrSecret = errors.New("a webhook secret is whsec_ followed by base64 of 24 to 64 bytes")

// CheckSecret tells whether s can sign.
func CheckSecret(s string) error {
	enc, ok := strings.CutPrefix(s, secretPrefix)
	if !ok {
		return ErrSecret
	}
	b, err := base64.StdEncoding.DecodeString(enc)
	if err != nil || len(b) < minSecret || len(b) > maxSecret {
		return ErrSecret
	}
	return nil
}

// Sign sets the headers that a delivery of the payload has.
func Sign(h http.Header, secret, id string, at time.Time, payload []byte) error {
	return sign(h, []string{secret}, id, at, payload)
}

// sign sets the Standard Webhooks headers, with a signature for each secret.
func sign(h http.Header, secrets []string, id string, at time.Time, payload []byte) error {
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		if err := CheckSecret(secret); err != nil {
			return fmt.Errorf("hooks: this cannot be signed: %w", err)
		}
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return errors.New("hooks: this cannot be signed: " + ErrSecret.Error())
		}
		if signatures[i], err = wh.Sign(id, at, payload); err != nil {
			return fmt.Errorf("hooks: signing: %w", err)
		}
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}
