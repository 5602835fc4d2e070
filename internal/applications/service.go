package applications

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// DefaultName is the application that every installation has.
const DefaultName = "default"

const (
	maxName      = 100
	minPrepared  = 32
	maxPrepared  = 512
	minHookBytes = 24 // Standard Webhooks: secrets hold 24 to 64 bytes
)

// Config is what the service needs.
type Config struct {
	Store store.Store
	Now   func() time.Time
	Log   *slog.Logger
	// NewWebhookSecret makes a signing secret (whsec_…).
	NewWebhookSecret func() string
}

// Service makes applications and keys, and knows keys again.
type Service struct {
	cfg   Config
	cache *cache
}

// New makes the service.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, cache: newCache(cfg.Now)}
}

// Spec is an application to make.
type Spec struct {
	Name string
	Test bool
	// Providers limits what its links may offer; empty means everything set up.
	Providers []latchkey.Provider
}

// Created is a new application with its first key. Key is the only copy of it there will ever be.
type Created struct {
	Application latchkey.Application
	APIKey      latchkey.APIKey
	Key         secret.Text
}

// Create makes an application and its first key, which may do everything.
func (s *Service) Create(ctx context.Context, spec Spec) (Created, error) {
	name, err := cleanName(spec.Name)
	if err != nil {
		return Created{}, err
	}
	app := s.newApplication(name, spec.Test, "")
	app.Providers = slices.Clone(spec.Providers)
	k, text := s.newAPIKey(app, "first key", latchkey.AllPermissions())
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		// Names are how operators tell applications apart on the command line.
		if _, err := tx.Applications().ByName(ctx, name); err == nil {
			return nameTaken(nil)
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := tx.Applications().Create(ctx, app); err != nil {
			return err
		}
		return tx.Keys().Create(ctx, k)
	})
	if errors.Is(err, store.ErrConflict) {
		return Created{}, nameTaken(err)
	}
	if err != nil {
		return Created{}, err
	}
	s.cfg.Log.InfoContext(ctx, "application created", slog.String("application_id", string(app.ID)), slog.Bool("test", app.Test))
	return Created{Application: app, APIKey: k, Key: text}, nil
}

func nameTaken(cause error) error {
	return errs.Wrap(cause, errs.Conflict, errs.CodeConflict, "An application of that name exists already.")
}

// Get finds an application by id.
func (s *Service) Get(ctx context.Context, id latchkey.ApplicationID) (latchkey.Application, error) {
	app, err := s.cfg.Store.Applications().Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return app, errs.NotFoundf("application")
	}
	return app, err
}

// Find finds an application by id or name, as operators type it.
func (s *Service) Find(ctx context.Context, idOrName string) (latchkey.Application, error) {
	app, err := s.cfg.Store.Applications().Get(ctx, latchkey.ApplicationID(idOrName))
	if errors.Is(err, store.ErrNotFound) {
		app, err = s.cfg.Store.Applications().ByName(ctx, idOrName)
	}
	if errors.Is(err, store.ErrNotFound) {
		return app, errs.NotFoundf("application")
	}
	return app, err
}

// List returns all applications.
func (s *Service) List(ctx context.Context) ([]latchkey.Application, error) {
	return s.cfg.Store.Applications().List(ctx)
}

// CreateKey makes a key with the permissions given; none means all. The text returned is the only
// copy of it there will ever be.
func (s *Service) CreateKey(ctx context.Context, app latchkey.ApplicationID, name string, perms []latchkey.Permission) (latchkey.APIKey, secret.Text, error) {
	name, err := cleanName(name)
	if err != nil {
		return latchkey.APIKey{}, secret.Text{}, err
	}
	if len(perms) == 0 {
		perms = latchkey.AllPermissions()
	}
	for _, p := range perms {
		if !slices.Contains(latchkey.AllPermissions(), p) {
			return latchkey.APIKey{}, secret.Text{}, errs.InvalidFields(errs.FieldError{
				Field: "permissions", Code: errs.CodeInvalidValue, Message: "Permissions are " + permissionNames() + ".",
			})
		}
	}
	a, err := s.Get(ctx, app)
	if err != nil {
		return latchkey.APIKey{}, secret.Text{}, err
	}
	k, text := s.newAPIKey(a, name, perms)
	// In a transaction, so that the audit trail is in it.
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error { return tx.Keys().Create(ctx, k) })
	if err != nil {
		return latchkey.APIKey{}, secret.Text{}, err
	}
	s.cfg.Log.InfoContext(ctx, "api key created", slog.String("application_id", string(app)), slog.String("key_id", string(k.ID)))
	return k, text, nil
}

// Keys lists an application's keys, without their text: nobody has it any more.
func (s *Service) Keys(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.APIKey, error) {
	return s.cfg.Store.Keys().List(ctx, app)
}

// DeleteKey ends a key: in this process at once, in others when what they remember runs out (seconds).
func (s *Service) DeleteKey(ctx context.Context, app latchkey.ApplicationID, id latchkey.KeyID) error {
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error { return tx.Keys().Delete(ctx, app, id) })
	s.cache.forget(func(e entry) bool { return e.key.ID == id })
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("key")
	}
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(ctx, "api key deleted", slog.String("application_id", string(app)), slog.String("key_id", string(id)))
	return nil
}

func (s *Service) newApplication(name string, test bool, webhookSecret string) latchkey.Application {
	now := s.cfg.Now().UTC().Truncate(time.Millisecond)
	if webhookSecret == "" {
		webhookSecret = s.cfg.NewWebhookSecret()
	}
	return latchkey.Application{
		ID: latchkey.NewApplicationID(now), Name: name, Test: test, WebhookSecret: webhookSecret, CreatedAt: now,
	}
}

func (s *Service) newAPIKey(app latchkey.Application, name string, perms []latchkey.Permission) (latchkey.APIKey, secret.Text) {
	text := newKey(app.Test)
	now := s.cfg.Now().UTC().Truncate(time.Millisecond)
	return latchkey.APIKey{
		ID: latchkey.NewKeyID(now), ApplicationID: app.ID, Name: name, Hash: secret.HashToken(text),
		Permissions: slices.Clone(perms), CreatedAt: now,
	}, secret.NewText(text)
}

func cleanName(name string) (string, error) {
	name = strings.TrimSpace(name)
	field := errs.FieldError{Field: "name", Code: errs.CodeRequired, Message: "Give it a name of 1 to 100 characters."}
	switch {
	case name == "":
	case utf8.RuneCountInString(name) > maxName:
		field.Code = errs.CodeTooLong
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		field.Code = errs.CodeInvalidValue
		field.Message = "A name has no control characters."
	default:
		return name, nil
	}
	return "", errs.InvalidFields(field)
}

func permissionNames() string {
	names := make([]string, 0, 8)
	for _, p := range latchkey.AllPermissions() {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}
