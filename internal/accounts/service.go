package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Emitter writes an event in the transaction of what it reports.
type Emitter interface {
	Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error)
}

// Sealer seals what travels in a job: jobs lie in the database in clear.
type Sealer interface {
	Seal(aad string, plain []byte) ([]byte, error)
	Open(aad string, sealed []byte) ([]byte, error)
}

// Config is what the service needs.
type Config struct {
	Store      store.Store
	Connectors map[latchkey.Provider]connector.Connector
	Events     Emitter
	Seal       Sealer
	Now        func() time.Time
	Log        *slog.Logger
	// RefusalPause lies between a refusal and the second try that confirms it; 0 means a second.
	RefusalPause time.Duration
}

// Service looks after connected accounts.
type Service struct {
	cfg Config

	mu      sync.Mutex
	running map[latchkey.AccountID]struct{}
}

// New makes the service.
func New(cfg Config) *Service {
	if cfg.RefusalPause == 0 {
		cfg.RefusalPause = time.Second
	}
	return &Service{cfg: cfg, running: make(map[latchkey.AccountID]struct{})}
}

// List returns a page of the application's accounts, newest first.
func (s *Service) List(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Account, error) {
	return s.cfg.Store.Accounts().List(ctx, app, p)
}

// Get finds an account by our id or the application's own.
func (s *Service) Get(ctx context.Context, app latchkey.ApplicationID, idOrExternal string) (latchkey.Account, error) {
	a, err := s.cfg.Store.Accounts().Get(ctx, app, idOrExternal)
	return a, known(err)
}

// known turns the store's answer to an unknown (or foreign) id into the caller's.
func known(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("account")
	}
	return err
}

// eventData is what events of an account say. It holds nothing that the account's own JSON does not.
func eventData(a latchkey.Account, more map[string]any) (json.RawMessage, error) {
	data := map[string]any{
		"account_id":   a.ID,
		"account_type": a.Provider,
		"name":         a.Name,
	}
	if a.ExternalID != "" {
		data["external_id"] = a.ExternalID
	}
	if a.Test {
		data["test"] = true
	}
	for k, v := range more {
		data[k] = v
	}
	return json.Marshal(data)
}
