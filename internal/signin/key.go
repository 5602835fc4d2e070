package signin

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// The algorithms of id tokens. RS256 is what OpenID Connect wants everybody to know (Core 1.0 §15.1),
// ES256 is shorter and quicker to sign.
const (
	AlgRS256 = string(jose.RS256)
	AlgES256 = string(jose.ES256)
)

// Times of keys. A new key is published for overlap before it signs, and for overlap after another has
// taken its place: whoever keeps the JWKS for a day meets no token that it cannot verify.
const (
	rotateAfter = 90 * 24 * time.Hour
	overlap     = 24 * time.Hour
	// keysFresh is how long a replica believes the keys that it has read.
	keysFresh = 15 * time.Second
	rsaBits   = 2048
	maxKeyed  = 4096
)

// keyring remembers the keys of applications for a while.
type keyring struct {
	mu    sync.Mutex
	known map[latchkey.ApplicationID]keyset
	// making keeps one process from making a key twice.
	making sync.Mutex
}

type keyset struct {
	keys    []key
	readAt  time.Time
	signers map[string]jose.Signer // by key id
}

type key struct {
	latchkey.SigningKey
	public jose.JSONWebKey
}

// keysOf reads an application's keys, or remembers them.
func (s *Service) keysOf(ctx context.Context, app latchkey.ApplicationID, fresh bool) (keyset, error) {
	now := s.now()
	s.keys.mu.Lock()
	set, ok := s.keys.known[app]
	s.keys.mu.Unlock()
	if ok && !fresh && now.Before(set.readAt.Add(keysFresh)) && !now.Before(set.readAt) {
		return set, nil
	}
	rows, err := s.cfg.Store.SigningKeys().List(ctx, app)
	if err != nil {
		return keyset{}, err
	}
	old := set.signers
	set = keyset{readAt: now, signers: map[string]jose.Signer{}}
	for _, r := range rows {
		k := key{SigningKey: r}
		if err := json.Unmarshal(r.Public, &k.public); err != nil {
			return keyset{}, fmt.Errorf("signin: a signing key: %w", err)
		}
		set.keys = append(set.keys, k)
		if set.signers[r.KeyID] = old[r.KeyID]; set.signers[r.KeyID] == nil {
			if set.signers[r.KeyID], err = newSigner(r); err != nil {
				return keyset{}, err
			}
		}
	}
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	if len(s.keys.known) >= maxKeyed {
		clear(s.keys.known)
	}
	s.keys.known[app] = set
	return set, nil
}

func newSigner(k latchkey.SigningKey) (jose.Signer, error) {
	private, err := x509.ParsePKCS8PrivateKey(k.Private)
	if err != nil {
		return nil, errors.New("signin: a signing key cannot be read") // the cause could quote the key
	}
	opts := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", k.KeyID)
	return jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: private}, opts)
}

// published are the keys that anybody may verify with at a time.
func (set keyset) published(now time.Time) []key {
	var out []key
	for i, k := range set.keys {
		superseded := false
		for _, later := range set.keys[i+1:] {
			superseded = superseded || later.Algorithm == k.Algorithm && !now.Before(later.ActiveAt.Add(overlap))
		}
		if !superseded && k.WithdrawnAt.IsZero() {
			out = append(out, k)
		}
	}
	return out
}

// signing is the newest key of an algorithm that may sign now.
func (set keyset) signing(algorithm string, now time.Time) (key, bool) {
	for i := len(set.keys) - 1; i >= 0; i-- {
		k := set.keys[i]
		if k.Algorithm == algorithm && k.WithdrawnAt.IsZero() && !now.Before(k.ActiveAt) {
			return k, true
		}
	}
	return key{}, false
}

// signer returns what signs an application's tokens; its first key is made when it is first needed.
func (s *Service) signer(ctx context.Context, app latchkey.ApplicationID, algorithm string) (jose.Signer, error) {
	for _, fresh := range []bool{false, true} {
		set, err := s.keysOf(ctx, app, fresh)
		if err != nil {
			return nil, err
		}
		if k, ok := set.signing(algorithm, s.now()); ok {
			return set.signers[k.KeyID], nil
		}
		if !fresh {
			if err := s.ensureKey(ctx, app, algorithm); err != nil {
				return nil, err
			}
		}
	}
	return nil, fmt.Errorf("signin: no key signs %s", algorithm)
}

// ensureKey makes the first key of an algorithm, if there is none.
func (s *Service) ensureKey(ctx context.Context, app latchkey.ApplicationID, algorithm string) error {
	s.keys.making.Lock()
	defer s.keys.making.Unlock()
	set, err := s.keysOf(ctx, app, true)
	if err != nil {
		return err
	}
	if _, ok := set.signing(algorithm, s.now()); ok {
		return nil
	}
	k, err := newKey(app, algorithm, set.next(algorithm), s.now(), s.now())
	if err != nil {
		return err
	}
	err = s.cfg.Store.SigningKeys().Create(ctx, k)
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	// It is ours, or another replica was quicker and its key is as good. From now on it is published.
	_, err = s.keysOf(ctx, app, true)
	return err
}

func (set keyset) next(algorithm string) int {
	n := 0
	for _, k := range set.keys {
		if k.Algorithm == algorithm {
			n = max(n, k.Generation)
		}
	}
	return n + 1
}

func newKey(app latchkey.ApplicationID, algorithm string, generation int, active, now time.Time) (latchkey.SigningKey, error) {
	var private crypto.Signer
	var err error
	if algorithm == AlgRS256 {
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	} else {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return latchkey.SigningKey{}, fmt.Errorf("signin: making a key: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return latchkey.SigningKey{}, fmt.Errorf("signin: making a key: %w", err)
	}
	jwk := jose.JSONWebKey{Key: private.Public(), Algorithm: algorithm, Use: "sig"}
	thumb, err := jwk.Thumbprint(crypto.SHA256) // RFC 7638: the same key has the same name everywhere
	if err != nil {
		return latchkey.SigningKey{}, fmt.Errorf("signin: naming a key: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumb[:12])
	public, err := jwk.MarshalJSON()
	if err != nil {
		return latchkey.SigningKey{}, fmt.Errorf("signin: making a key: %w", err)
	}
	return latchkey.SigningKey{
		ApplicationID: app, Algorithm: algorithm, Generation: generation, KeyID: jwk.KeyID, Public: public, Private: pkcs8,
		ActiveAt: active, CreatedAt: now,
	}, nil
}

// JWKS is the application's key set (RFC 7517 §5). It makes no key: reading changes nothing.
func (s *Service) JWKS(ctx context.Context, app latchkey.ApplicationID) (jose.JSONWebKeySet, error) {
	set, err := s.keysOf(ctx, app, false)
	if err == nil && len(set.keys) == 0 {
		// Another replica may have made the first one just now: nobody is to remember that there is none.
		set, err = s.keysOf(ctx, app, true)
	}
	out := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range set.published(s.now()) {
		out.Keys = append(out.Keys, k.public)
	}
	return out, err
}

// SigningKeys lists the application's keys that are of use, without their private parts.
func (s *Service) SigningKeys(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.SigningKey, error) {
	set, err := s.keysOf(ctx, app, true)
	out := []latchkey.SigningKey{}
	for _, k := range set.published(s.now()) {
		k.Private = nil
		out = append(out, k.SigningKey)
	}
	return out, err
}

// RotateKeys gives every algorithm that the application uses a new key: published now, signing in a day.
// At once is for keys that somebody else may have: the old ones go this moment, and tokens that they
// signed fail from then on.
func (s *Service) RotateKeys(ctx context.Context, app latchkey.ApplicationID, atOnce bool) error {
	s.keys.making.Lock()
	defer s.keys.making.Unlock()
	set, err := s.keysOf(ctx, app, true)
	if err != nil {
		return err
	}
	now := s.now()
	active := now.Add(overlap)
	if atOnce {
		active = now
	}
	for _, algorithm := range []string{AlgES256, AlgRS256} {
		n := set.next(algorithm)
		if n == 1 {
			continue // it has never been needed
		}
		if newest := set.newest(algorithm); !atOnce && newest.ActiveAt.After(now) {
			continue // the next one is published already
		}
		if err := s.replaceKey(ctx, set, app, algorithm, n, active, atOnce); err != nil {
			return err
		}
	}
	_, err = s.keysOf(ctx, app, true)
	return err
}

func (set keyset) newest(algorithm string) (out key) {
	for _, k := range set.keys {
		if k.Algorithm == algorithm {
			out = k
		}
	}
	return out
}

func (s *Service) replaceKey(ctx context.Context, set keyset, app latchkey.ApplicationID, algorithm string, n int, active time.Time, atOnce bool) error {
	now := s.now()
	k, err := newKey(app, algorithm, n, active, now)
	if err != nil {
		return err
	}
	published := map[string]bool{}
	for _, p := range set.published(now) {
		published[p.KeyID] = true
	}
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := tx.SigningKeys().Create(ctx, k); err != nil {
			return err
		}
		for _, old := range set.keys {
			if old.Algorithm == algorithm && !published[old.KeyID] {
				if err := tx.SigningKeys().Delete(ctx, app, algorithm, old.Generation); err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
			}
		}
		if atOnce {
			return tx.SigningKeys().Withdraw(ctx, app, algorithm, n, now)
		}
		return nil
	})
	if errors.Is(err, store.ErrConflict) {
		return errs.New(errs.Conflict, errs.CodeConflict, "The keys are being replaced by another request.")
	}
	return err
}

// Upkeep replaces keys that have signed long enough. It is to run every hour or so.
func (s *Service) Upkeep(ctx context.Context) error {
	aged, err := s.cfg.Store.SigningKeys().Aged(ctx, s.now().Add(-rotateAfter), 1000)
	if err != nil {
		return err
	}
	done := map[latchkey.ApplicationID]bool{}
	for _, k := range aged {
		if !done[k.ApplicationID] {
			done[k.ApplicationID] = true
			if err := s.RotateKeys(ctx, k.ApplicationID, false); err != nil && !errs.Is(err, errs.CodeConflict) {
				return err
			}
		}
	}
	return nil
}
