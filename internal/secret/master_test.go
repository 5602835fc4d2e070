package secret_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"latchkey/internal/secret"
)

func TestMasterKeyFileIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	k, created, err := secret.MasterKeyFile(t.Context(), path, &memory{})
	if err != nil || !created {
		t.Fatalf("first: created=%v err=%v", created, err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode %04o, want 0600", st.Mode().Perm())
	}
	again, created, err := secret.MasterKeyFile(t.Context(), path, &memory{})
	if err != nil || created || again.Encode() != k.Encode() {
		t.Errorf("second: created=%v err=%v same=%v", created, err, again.Encode() == k.Encode())
	}
	if _, err := secret.CreateMasterKey(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("CreateMasterKey over a key: %v, want fs.ErrExist", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v %v, want the key alone", left, err)
	}
}

func TestProcessesThatStartTogetherShareOneMasterKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master.key")
	keys := make([]string, 20)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			k, _, err := secret.MasterKeyFile(t.Context(), path, &memory{})
			if err != nil {
				t.Errorf("process %d: %v", i, err)
			}
			keys[i] = k.Encode()
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] {
			t.Fatal("two master keys came out")
		}
	}
}

func TestMissingMasterKeyBesideAKeysetIsNotReplaced(t *testing.T) {
	t.Parallel()
	m := &memory{}
	open(t, m, secret.NewMasterKey(), newClock())
	path := filepath.Join(t.TempDir(), "master.key")
	_, _, err := secret.MasterKeyFile(t.Context(), path, m)
	if !errors.Is(err, secret.ErrMasterKeyMissing) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v, want ErrMasterKeyMissing naming the path", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a key was made beside a keyset that it does not fit")
	}
	m2 := &memory{}
	m2.broken.Store(true)
	if _, _, err := secret.MasterKeyFile(t.Context(), path, m2); !errors.Is(err, errBroken) {
		t.Errorf("database away: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a key was made without knowing whether there is a keyset")
	}
}

func TestExposedMasterKeyFileIsRefused(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o660} {
		path := filepath.Join(t.TempDir(), "master.key")
		k, err := secret.CreateMasterKey(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err = secret.ReadMasterKey(path)
		if !errors.Is(err, secret.ErrMasterKeyExposed) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %04o: %v, want ErrMasterKeyExposed that says what to do", mode, err)
		}
		if err != nil && strings.Contains(err.Error(), k.Encode()) {
			t.Error("the error holds the key")
		}
	}
}

func TestParseMasterKey(t *testing.T) {
	t.Parallel()
	raw := []byte("\xfb\xff\xbe456789abcdef0123456789abcdef")
	raw = append(raw, 0xff)[:32]
	for _, s := range []string{
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), " " + base64.StdEncoding.EncodeToString(raw) + "\r\n",
	} {
		k, err := secret.ParseMasterKey(s)
		if err != nil || k.Encode() != base64.StdEncoding.EncodeToString(raw) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{
		"", "short", strings.Repeat("A", 42), strings.Repeat("A", 44), base64.StdEncoding.EncodeToString(raw[:31]),
		base64.StdEncoding.EncodeToString(append(raw, 1)), "!" + base64.StdEncoding.EncodeToString(raw)[1:],
	} {
		_, err := secret.ParseMasterKey(s)
		if !errors.Is(err, secret.ErrMasterKeyMalformed) {
			t.Errorf("%q: %v, want ErrMasterKeyMalformed", s, err)
		}
		if len(s) > 8 && strings.Contains(fmt.Sprint(err), s[:8]) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}

func FuzzParseMasterKey(f *testing.F) {
	f.Add(secret.NewMasterKey().Encode())
	f.Add("")
	f.Add("====")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := secret.ParseMasterKey(s)
		if err != nil {
			return
		}
		again, err := secret.ParseMasterKey(k.Encode())
		if err != nil || again.ID() != k.ID() {
			t.Errorf("a key does not survive Encode: %v", err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	r := open(f, &memory{}, secret.NewMasterKey(), newClock())
	sealed := seal(f, r, "x", "v")
	f.Add("x", sealed[1:])
	f.Add("", sealed)
	f.Add("x", r.PrimaryPrefix())
	f.Fuzz(func(t *testing.T, aad string, b []byte) {
		if plain, err := r.Open(aad, b); err == nil && (aad != "x" || string(b) != string(sealed)) {
			t.Errorf("opened what was never sealed: %q", plain)
		}
	})
}
