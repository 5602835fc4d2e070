package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// latchkey runs a command line. The environment of the test must hold none of our variables.
func latchkeyCommand(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(args, &o, &e)
	return code, o.String(), e.String()
}

// TestLookingMakesNothing has commands that only look at an installation meet none.
func TestLookingMakesNothing(t *testing.T) {
	for _, args := range [][]string{
		{"app", "list"},
		{"key", "list", "--app", "default"},
		{"key", "create", "--app", "default"},
		{"keys", "status"},
		{"keys", "rotate"},
		{"provider-app", "list", "--app", "default"},
		{"app", "set", "--app", "default", "--auth-server-url", "https://app.example/auth"},
		{"app", "rotate-secret", "--app", "default"},
	} {
		data := filepath.Join(t.TempDir(), "nowhere")
		code, _, errOut := latchkeyCommand(t, append(args, "--data", data)...)
		if code != 1 || !strings.Contains(errOut, "there is no database at "+data) {
			t.Errorf("%v: status %d, %q", args, code, errOut)
		}
		if _, err := os.Stat(data); !os.IsNotExist(err) {
			t.Errorf("%v made %s: %v", args, data, err)
		}
	}
	data := filepath.Join(t.TempDir(), "nowhere")
	if code, out, errOut := latchkeyCommand(t, "doctor", "--data", data); code != 0 || !strings.Contains(out, "there is none yet") {
		t.Errorf("doctor: status %d, %q %q", code, out, errOut)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("doctor made %s: %v", data, err)
	}
}

// TestEverythingWrongAtOnce reads a configuration in which several things are.
func TestEverythingWrongAtOnce(t *testing.T) {
	code, _, errOut := latchkeyCommand(
		t, "app", "list", "--data", t.TempDir(), "--listen", "here", "--allow-mail", "ten", "--allow-oauth", "10.0.0.0/99", "--ca-file", "/nowhere/roots.pem",
		"--provider-apps", `[{"key":"g","provider":"GOGLE","client_id":"c","client_secret":"s"},{"key":"g","provider":"GOOGLE","cliend_id":"c"}]`,
	)
	if code != 2 {
		t.Errorf("status %d", code)
	}
	for _, want := range []string{
		"LATCHKEY_LISTEN", "LATCHKEY_ALLOW_MAIL", "LATCHKEY_ALLOW_OAUTH", "/nowhere/roots.pem",
		"LATCHKEY_PROVIDER_APPS: entry 1 (g): provider", "LATCHKEY_PROVIDER_APPS: entry 2: unknown field \"cliend_id\"",
	} {
		if !strings.Contains(errOut, want) {
			t.Errorf("it does not say %q:\n%s", want, errOut)
		}
	}
}

// TestMisspeltSettingInAFile names the line and the setting.
func TestMisspeltSettingInAFile(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "latchkey.conf")
	if err := os.WriteFile(conf, []byte("# ours\nLATCHKEY_LOG_LEVEL=info\nLATCHKEY_BASE_ULR=https://x.example\nLATCHKEY_API_KEY_FILES=/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errOut := latchkeyCommand(t, "app", "list", "--data", t.TempDir(), "--config", conf)
	if code != 2 || !strings.Contains(errOut, "line 3: LATCHKEY_BASE_ULR") || !strings.Contains(errOut, "line 4: LATCHKEY_API_KEY_FILES") {
		t.Errorf("status %d, %q", code, errOut)
	}
}

// TestRotateSecret rotates an application's own secret on the command line; a running server is not needed.
func TestRotateSecret(t *testing.T) {
	data := t.TempDir()
	if code, _, errOut := latchkeyCommand(t, "app", "create", "--name", "shop", "--data", data); code != 0 {
		t.Fatalf("create: %s", errOut)
	}
	code, out, errOut := latchkeyCommand(t, "app", "rotate-secret", "--app", "shop", "--data", data)
	if code != 0 || !strings.Contains(out, "whsec_") || strings.Contains(errOut, "whsec_") {
		t.Errorf("status %d, %q", code, errOut)
	}
}
