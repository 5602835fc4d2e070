package branding_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/branding"
	"latchkey/internal/secret"
	"latchkey/internal/store/sqlstore"
)

// BenchmarkLook is what branding adds to each page.
func BenchmarkLook(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	db, err := sqlstore.OpenDatabase(b.Context(), sqlstore.Options{Path: filepath.Join(b.TempDir(), "test.db"), Now: time.Now, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	ring, err := secret.LoadOrCreate(b.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	st, err := sqlstore.NewStore(db, ring)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	app := latchkey.Application{ID: latchkey.NewApplicationID(time.Now()), Name: "a", WebhookSecret: "whsec_x", CreatedAt: time.Now()}
	if err := st.Applications().Create(b.Context(), app); err != nil {
		b.Fatal(err)
	}
	s := branding.New(branding.Config{Store: st, BaseURL: "https://a.example", Languages: []string{"en"}, Now: time.Now, Log: log})
	if _, _, err := s.Put(b.Context(), app.ID, branding.Branding{Name: "A", HeaderHTML: "<p>hello <b>you</b></p>"}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if s.Look(b.Context(), app.ID).Name != "A" {
			b.Fatal("the branding is gone")
		}
	}
}
