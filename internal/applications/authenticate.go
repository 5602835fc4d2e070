package applications

import (
	"context"
	"crypto/sha256"
	"errors"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Authenticate tells whose key it is. The answer is remembered for some seconds, so that the hot
// path reads no database. A key that nobody has is errs.CodeInvalidKey.
func (s *Service) Authenticate(ctx context.Context, key string) (latchkey.Application, latchkey.APIKey, error) {
	if len(key) > maxPrepared {
		return latchkey.Application{}, latchkey.APIKey{}, invalidKey()
	}
	h := hash(sha256.Sum256([]byte(key)))
	e, found, miss, epoch := s.cache.look(h)
	if found {
		return e.app, e.key, nil
	}
	if miss {
		return latchkey.Application{}, latchkey.APIKey{}, invalidKey()
	}
	k, err := s.cfg.Store.Keys().ByHash(ctx, h[:])
	if errors.Is(err, store.ErrNotFound) {
		s.cache.rememberMiss(h, epoch)
		return latchkey.Application{}, latchkey.APIKey{}, invalidKey()
	}
	if err != nil {
		return latchkey.Application{}, latchkey.APIKey{}, err
	}
	app, err := s.cfg.Store.Applications().Get(ctx, k.ApplicationID)
	if err != nil {
		return latchkey.Application{}, latchkey.APIKey{}, err
	}
	s.cache.remember(h, entry{app: app, key: k}, epoch)
	return app, k, nil
}

// Known tells whether the key was found valid within the last seconds. It asks no database.
func (s *Service) Known(key string) bool {
	if len(key) > maxPrepared {
		return false
	}
	_, found, _, _ := s.cache.look(hash(sha256.Sum256([]byte(key))))
	return found
}

func invalidKey() error {
	return errs.New(errs.Unauthenticated, errs.CodeInvalidKey,
		"The API key is not one of this server's. Send a whole key, as it was shown when it was made, in the X-API-KEY header.")
}
