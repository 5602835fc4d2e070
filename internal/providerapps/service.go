package providerapps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Events of a provider app. They carry no account: nobody's account is to blame.
const (
	EventBroken = latchkey.EventProviderAppBroken
	EventMended = latchkey.EventProviderAppMended
)

// Emitter writes an event in the transaction of what it reports.
type Emitter interface {
	Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error)
}

// Config is what the service needs.
type Config struct {
	Store store.Store
	// Connectors may be nil where nothing is verified.
	Connectors map[latchkey.Provider]connector.Connector
	Events     Emitter
	// CallbackURL is the redirect URI of this host, which verifying looks for.
	CallbackURL string
	Now         func() time.Time
	Log         *slog.Logger
}

// Service looks after provider apps.
type Service struct {
	cfg   Config
	cache *cache
}

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg: cfg, cache: newCache(cfg.Now)} }

// Create makes a provider app. The first of its provider is the default, whatever the spec says.
func (s *Service) Create(ctx context.Context, app latchkey.ApplicationID, spec Spec) (latchkey.ProviderApp, error) {
	now := s.now()
	made, problems := Apply(latchkey.ProviderApp{
		ID: latchkey.NewProviderAppID(now), ApplicationID: app, CreatedAt: now, UpdatedAt: now,
	}, spec)
	if len(problems) > 0 {
		return latchkey.ProviderApp{}, errs.InvalidFields(problems...)
	}
	err := s.change(ctx, app, func(ctx context.Context, tx store.Tx) error {
		all, err := tx.ProviderApps().List(ctx, app)
		if err != nil {
			return err
		}
		if len(all) >= maxPerApplication {
			return errs.New(errs.Conflict, errs.CodeConflict, "This application has as many provider apps as it may. Delete one first.")
		}
		made.Default = made.Default || defaultOf(all, made.Provider) == nil
		return tx.ProviderApps().Create(ctx, made)
	})
	if err != nil {
		return latchkey.ProviderApp{}, err
	}
	s.cfg.Log.InfoContext(ctx, "provider app created", attrs(made)...)
	return made, nil
}

// List returns the application's provider apps, oldest first.
func (s *Service) List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.ProviderApp, error) {
	return s.cfg.Store.ProviderApps().List(ctx, app)
}

// Get finds a provider app.
func (s *Service) Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) (latchkey.ProviderApp, error) {
	a, err := s.cfg.Store.ProviderApps().Get(ctx, app, id)
	return a, known(err)
}

// Update changes what the spec names. A default gives way to another only by that other's becoming it.
func (s *Service) Update(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID, spec Spec) (latchkey.ProviderApp, error) {
	var next latchkey.ProviderApp
	err := s.change(ctx, app, func(ctx context.Context, tx store.Tx) error {
		was, err := tx.ProviderApps().ForUpdate(ctx, app, id)
		if err != nil {
			return known(err)
		}
		if err := ownedByFile(was); err != nil {
			return err
		}
		var problems []errs.FieldError
		next, problems = Apply(was, spec)
		if was.Default && !next.Default {
			problems = append(problems, errs.FieldError{
				Field: "default", Code: errs.CodeInvalidValue, Message: "One is always the default. Make another one the default instead.",
			})
		}
		if len(problems) > 0 {
			return errs.InvalidFields(problems...)
		}
		next.UpdatedAt = s.now()
		return tx.ProviderApps().Update(ctx, next)
	})
	if err != nil {
		return latchkey.ProviderApp{}, err
	}
	s.cfg.Log.InfoContext(ctx, "provider app changed", attrs(next)...)
	return next, nil
}

// Delete forgets a provider app. The oldest of the same provider becomes the default in its place.
// Accounts that were connected through it stay, but cannot be renewed any more.
func (s *Service) Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.ProviderAppID) error {
	var gone latchkey.ProviderApp
	err := s.change(ctx, app, func(ctx context.Context, tx store.Tx) error {
		var err error
		if gone, err = tx.ProviderApps().ForUpdate(ctx, app, id); err != nil {
			return known(err)
		}
		if err := ownedByFile(gone); err != nil {
			return err
		}
		return s.remove(ctx, tx, gone)
	})
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "provider app deleted", attrs(gone)...)
	}
	return err
}

// remove deletes a provider app, and gives its place as the default to the oldest of its provider.
func (s *Service) remove(ctx context.Context, tx store.Tx, gone latchkey.ProviderApp) error {
	if err := tx.ProviderApps().Delete(ctx, gone.ApplicationID, gone.ID); err != nil || !gone.Default {
		return known(err)
	}
	rest, err := tx.ProviderApps().List(ctx, gone.ApplicationID)
	if err != nil {
		return err
	}
	for _, heir := range rest {
		if heir.Provider == gone.Provider {
			heir.Default = true
			return tx.ProviderApps().Update(ctx, heir)
		}
	}
	return nil
}

// changeTries is how often a change is begun that another's new default gets in the way of.
const changeTries = 5

// change runs fn in a transaction, and makes this process forget what it remembers.
func (s *Service) change(ctx context.Context, app latchkey.ApplicationID, fn func(ctx context.Context, tx store.Tx) error) error {
	defer s.cache.forget(app)
	var err error
	for range changeTries {
		if err = s.cfg.Store.InTx(ctx, fn); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("change a provider app: %w", err)
}

// Flag notes that the provider does not take the app, with the code of what is wrong with it, or
// with an empty code that it does. Only a change is written, and told. An app that is gone is fine.
func (s *Service) Flag(ctx context.Context, app latchkey.ApplicationID, id, code string) error {
	if all, err := s.remembered(ctx, app); err != nil {
		return err
	} else if known := find(all, latchkey.ProviderAppID(id)); known != nil && known.Flag == code {
		return nil
	}
	var changed *latchkey.ProviderApp
	err := s.change(ctx, app, func(ctx context.Context, tx store.Tx) error {
		changed = nil
		a, err := tx.ProviderApps().ForUpdate(ctx, app, latchkey.ProviderAppID(id))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || a.Flag == code {
			return err
		}
		a.Flag, a.UpdatedAt = code, s.now()
		if err := tx.ProviderApps().Update(ctx, a); err != nil {
			return err
		}
		changed = &a
		return s.tell(ctx, tx, a)
	})
	if err == nil && changed != nil {
		level, text := slog.LevelWarn, "the provider refuses the provider app; its accounts cannot be connected or renewed until it is mended"
		if code == "" {
			level, text = slog.LevelInfo, "the provider takes the provider app again"
		}
		s.cfg.Log.LogAttrs(ctx, level, text, logged(*changed)...)
	}
	return err
}

func (s *Service) tell(ctx context.Context, tx store.Tx, a latchkey.ProviderApp) error {
	typ := EventMended
	data := map[string]any{"provider_app_id": a.ID, "provider": a.Provider, "name": a.Name}
	if a.Flag != "" {
		typ, data["code"] = EventBroken, a.Flag
	}
	enc, err := json.Marshal(data)
	if err != nil {
		return err
	}
	_, err = s.cfg.Events.Emit(ctx, tx, latchkey.Event{ApplicationID: a.ApplicationID, Type: typ, Data: enc})
	return err
}

func known(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("provider app")
	}
	return err
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

func logged(a latchkey.ProviderApp) []slog.Attr {
	return []slog.Attr{
		slog.String("app_id", string(a.ApplicationID)), slog.String("provider_app_id", string(a.ID)),
		slog.String("provider", string(a.Provider)), slog.String("flag", a.Flag),
	}
}

func attrs(a latchkey.ProviderApp) []any {
	var out []any
	for _, x := range logged(a) {
		out = append(out, x)
	}
	return out
}
