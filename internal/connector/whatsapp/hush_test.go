package whatsapp_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.mau.fi/libsignal/logger"

	"latchkey/internal/connector/whatsapp"
	"latchkey/internal/connector/whatsapp/sim"
)

// TestSignalLibraryPrintsNothing: by itself it writes to standard output, past every log setting.
func TestSignalLibraryPrintsNothing(t *testing.T) {
	whatsapp.New(whatsapp.Config{Now: time.Now})
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = in
	logger.Error("decrypting of ", ada, " failed")
	logger.Warning("no session with ", ada)
	os.Stdout = stdout
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(out); err != nil || got.Len() > 0 {
		t.Errorf("it printed %q, %v", got.String(), err)
	}
}

// TestNothingOfAnybodyIsLogged: at debug, through pairing, failures and garbage, the log has neither
// numbers nor codes.
func TestNothingOfAnybodyIsLogged(t *testing.T) {
	var out lines
	l := newLab(t, func(_ *sim.Config, wc *whatsapp.Config) {
		wc.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	s := l.begin("+" + ada)
	code := s.seeStep("whatsapp.code").Payload
	if err := l.sim.TypeCode(ada, "WRNG-CDES"); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.TypeCode(ada, code); err != nil {
		t.Fatal(err)
	}
	s.end()
	s = l.begin("")
	qr := s.seeStep("whatsapp.qr").Payload
	l.sim.SetFaults(sim.Faults{GarbageAt: sim.EdgeScan, CutAt: sim.EdgePair})
	if err := l.sim.Scan(patty, qr); err != nil {
		t.Fatal(err)
	}
	s.end()
	text := out.String()
	if !strings.Contains(text, "whatsapp library") {
		t.Fatalf("nothing was logged at all: %q", text)
	}
	_, parts, _ := strings.Cut(qr, "#")
	for _, secret := range append(strings.Split(parts, ","), ada, patty, code, strings.ReplaceAll(code, "-", "")) {
		if len(secret) > 4 && strings.Contains(text, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}
