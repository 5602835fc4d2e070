package app

import (
	"log/slog"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/connector/connectortest"
	"latchkey/internal/web/wizard"
)

// TestConnectorsSpeakTheLanguagesOfThePage asks every connector that an installation has. The test
// provider is for developers, and speaks English.
func TestConnectorsSpeakTheLanguagesOfThePage(t *testing.T) {
	t.Parallel()
	in, err := open(t.Context(), &config.Config{Data: t.TempDir()}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.close(); err != nil {
			t.Error(err)
		}
	})
	if err := in.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(in.connectors) < 6 {
		t.Fatalf("there are %d connectors only", len(in.connectors))
	}
	for provider, c := range in.connectors {
		if provider == latchkey.Mock {
			continue
		}
		t.Run(string(provider), func(t *testing.T) { connectortest.CheckTexts(t, c.Describe().Texts, wizard.Texts()) })
	}
}
