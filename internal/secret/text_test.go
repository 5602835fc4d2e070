package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/secret"
)

const canary = "canary-7f3a-password"

func TestTextNeverPrints(t *testing.T) {
	t.Parallel()
	s := secret.NewText(canary)
	type outer struct {
		Open   secret.Text
		hidden secret.Text
		ptr    *secret.Text
		m      map[string]secret.Text
	}
	o := outer{Open: s, hidden: s, ptr: &s, m: map[string]secret.Text{"k": s}}
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%T", "%p", "%c"} {
		for _, v := range []any{s, &s, o, &o, []secret.Text{s}, map[string]any{"a": o}} {
			out = append(out, fmt.Sprintf(verb, v))
		}
	}
	out = append(out, fmt.Sprint(s), s.String(), fmt.Errorf("failed: %v", s).Error(), errors.Join(fmt.Errorf("%s", s)).Error())
	for _, v := range []any{s, o, &o} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
	} {
		var buf bytes.Buffer
		slog.New(handler(&buf)).Info("m", slog.Any("secret", s), slog.Any("outer", o), slog.Any("ptr", &s))
		out = append(out, buf.String())
	}
	for _, line := range out {
		if strings.Contains(line, "canary") || strings.Contains(line, fmt.Sprintf("%x", canary)) {
			t.Errorf("the secret is in %q", line)
		}
	}
	if got := fmt.Sprintf("%v|%q|%#v", s, s, s); got != "***|***|***" {
		t.Errorf("prints as %q", got)
	}
}

func TestTextKeepsItsSecret(t *testing.T) {
	t.Parallel()
	var cfg struct{ Password secret.Text }
	if err := json.Unmarshal([]byte(`{"Password":"`+canary+`"}`), &cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.Password.Reveal() != canary || cfg.Password.IsZero() {
		t.Error("the secret was lost on the way in")
	}
	var fromText secret.Text
	if err := fromText.UnmarshalText([]byte(canary)); err != nil || !fromText.Equal(cfg.Password) {
		t.Errorf("UnmarshalText: %v", err)
	}
	if !cmp.Equal(fromText, secret.NewText(canary)) || cmp.Equal(fromText, secret.NewText("other")) {
		t.Error("Equal does not compare the secrets")
	}
	if !secret.NewText("").IsZero() || (secret.Text{}).Reveal() != "" {
		t.Error("the empty secret is not zero")
	}
	err := json.Unmarshal([]byte(`{"Password":["`+canary+`"]}`), &cfg)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a list for a secret: %v", err)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		token, hash := secret.NewToken()
		if len(token) != 43 || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("token %q is not 43 URL-safe characters", token)
		}
		if seen[token] {
			t.Fatal("a token came twice")
		}
		seen[token] = true
		if !secret.SameToken(token, hash) || secret.SameToken(token+"A", hash) || secret.SameToken("", hash) {
			t.Fatal("SameToken is wrong")
		}
	}
	if secret.SameToken("", nil) || secret.SameHash(nil, nil) || secret.SameHash([]byte{}, []byte{}) {
		t.Error("a missing hash matches something")
	}
}
