package applications

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/secret"
	"latchkey/internal/store"
)

// Prepared is what the configuration says of application "default"; both may be empty.
type Prepared struct {
	APIKey        secret.Text
	WebhookSecret secret.Text
}

// Default is application "default" as EnsureDefault left it.
type Default struct {
	Application latchkey.Application
	// Created tells that the application was made now.
	Created bool
	// FirstKey is set where a key was made: show it once, and nowhere that is kept.
	FirstKey secret.Text
	// KeyID is FirstKey's. If the key cannot be shown to anybody, delete it.
	KeyID latchkey.KeyID
}

// EnsureDefault sees to it that application "default" exists and can be used. A prepared key
// replaces the prepared key before it, and none takes it away. An application that is left without
// any key gets a first one. It may run on several replicas at once.
func (s *Service) EnsureDefault(ctx context.Context, p Prepared) (Default, error) {
	if err := checkPrepared(p); err != nil {
		return Default{}, err
	}
	d, err := s.ensureDefault(ctx, p)
	if errors.Is(err, store.ErrConflict) {
		// Another replica was faster; what it made is there now.
		d, err = s.ensureDefault(ctx, p)
	}
	if err != nil {
		return Default{}, fmt.Errorf("application %q: %w", DefaultName, err)
	}
	s.cache.forget(func(entry) bool { return true })
	return d, nil
}

func (s *Service) ensureDefault(ctx context.Context, p Prepared) (Default, error) {
	var d Default
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		app, created, err := s.defaultApplication(ctx, tx, p.WebhookSecret.Reveal())
		if err != nil {
			return err
		}
		d = Default{Application: app, Created: created}
		var hash []byte
		if !p.APIKey.IsZero() {
			hash = secret.HashToken(p.APIKey.Reveal())
		}
		if err := tx.Keys().DeletePrepared(ctx, hash); err != nil {
			return err
		}
		if hash != nil {
			return s.ensurePrepared(ctx, tx, app, hash)
		}
		keys, err := tx.Keys().List(ctx, app.ID)
		if err != nil || len(keys) > 0 {
			return err
		}
		k, text := s.newAPIKey(app, "first key", latchkey.AllPermissions())
		d.FirstKey, d.KeyID = text, k.ID
		return tx.Keys().Create(ctx, k)
	})
	if err != nil {
		return Default{}, err
	}
	if !d.FirstKey.IsZero() {
		s.cfg.Log.InfoContext(ctx, "first api key created", slog.String("application_id", string(d.Application.ID)), slog.String("key_id", string(d.KeyID)))
	}
	return d, nil
}

func (s *Service) defaultApplication(ctx context.Context, tx store.Tx, webhookSecret string) (app latchkey.Application, created bool, err error) {
	app, err = tx.Applications().ByName(ctx, DefaultName)
	if errors.Is(err, store.ErrNotFound) {
		app = s.newApplication(DefaultName, false, webhookSecret)
		return app, true, tx.Applications().Create(ctx, app)
	}
	if err != nil {
		return app, false, err
	}
	if webhookSecret == "" || app.WebhookSecret == webhookSecret {
		return app, false, nil
	}
	// Nobody's change of a setting must be undone.
	if err = tx.Applications().Lock(ctx, app.ID); err != nil {
		return app, false, err
	}
	if app, err = tx.Applications().Get(ctx, app.ID); err != nil || app.WebhookSecret == webhookSecret {
		return app, false, err
	}
	app.Rotate(webhookSecret, s.cfg.Now())
	return app, false, tx.Applications().Update(ctx, app)
}

func (s *Service) ensurePrepared(ctx context.Context, tx store.Tx, app latchkey.Application, hash []byte) error {
	k, err := tx.Keys().ByHash(ctx, hash)
	if err == nil {
		if k.ApplicationID != app.ID {
			return errors.New("the prepared API key is the key of another application; use a key of its own")
		}
		return nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	now := s.cfg.Now().UTC().Truncate(time.Millisecond)
	return tx.Keys().Create(ctx, latchkey.APIKey{
		ID: latchkey.NewKeyID(now), ApplicationID: app.ID, Name: "prepared key", Hash: hash,
		Permissions: latchkey.AllPermissions(), Prepared: true, CreatedAt: now,
	})
}

// checkPrepared refuses what would not do. Its errors are for the operator and quote no secret.
func checkPrepared(p Prepared) error {
	key := p.APIKey.Reveal()
	if !p.APIKey.IsZero() {
		if len(key) < minPrepared || len(key) > maxPrepared {
			return fmt.Errorf("the prepared API key must have %d to %d characters, and has %d", minPrepared, maxPrepared, len(key))
		}
		// It travels in a header (RFC 9110 §5.5), so only visible ASCII does.
		if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return errors.New("the prepared API key must be of visible ASCII characters, without spaces")
		}
	}
	if p.WebhookSecret.IsZero() {
		return nil
	}
	encoded, ok := strings.CutPrefix(p.WebhookSecret.Reveal(), "whsec_")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(raw) < minHookBytes || len(raw) > 64 {
		return errors.New("the prepared webhook secret must be whsec_ and then 24 to 64 bytes in base64")
	}
	return nil
}
