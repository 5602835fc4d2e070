package secret_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"latchkey/internal/secret"
)

func TestSealIsBoundToItsContext(t *testing.T) {
	t.Parallel()
	r := open(t, &memory{}, secret.NewMasterKey(), newClock())
	sealed := seal(t, r, "app_1|accounts|acc_1|secret", "canary-password")

	if bytes.Contains(sealed, []byte("canary")) {
		t.Error("the sealed value holds the plain one")
	}
	if !bytes.HasPrefix(sealed, r.PrimaryPrefix()) || len(r.PrimaryPrefix()) != secret.PrefixSize {
		t.Errorf("sealed value begins with %x, want the primary prefix %x", sealed[:5], r.PrimaryPrefix())
	}
	mustOpen(t, r, "app_1|accounts|acc_1|secret", sealed, "canary-password")
	for _, aad := range []string{"", "app_2|accounts|acc_1|secret", "app_1|accounts|acc_2|secret", "app_1|accounts|acc_1|body"} {
		if _, err := r.Open(aad, sealed); !errors.Is(err, secret.ErrUnreadable) {
			t.Errorf("Open for %q: %v, want ErrUnreadable", aad, err)
		}
	}
	for i := secret.PrefixSize; i < len(sealed); i++ {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := r.Open("app_1|accounts|acc_1|secret", bad); !errors.Is(err, secret.ErrUnreadable) {
			t.Fatalf("byte %d changed: %v, want ErrUnreadable", i, err)
		}
	}
	for n := range sealed {
		if _, err := r.Open("app_1|accounts|acc_1|secret", sealed[:n]); err == nil {
			t.Fatalf("opened the first %d bytes", n)
		}
	}
	if again := seal(t, r, "a", "same"); bytes.Equal(again, seal(t, r, "a", "same")) {
		t.Error("sealing twice gives the same bytes")
	}
	mustOpen(t, r, "a", seal(t, r, "a", ""), "")
}

func TestReplicasThatStartTogetherShareOneKeyset(t *testing.T) {
	t.Parallel()
	m, master, c := &memory{}, secret.NewMasterKey(), newClock()
	rings := make([]*secret.Keyring, 50)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			r, err := secret.LoadOrCreate(t.Context(), m, master, c.Now)
			if err != nil {
				t.Errorf("replica %d: %v", i, err)
				return
			}
			rings[i] = r
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	if n := m.saves.Load(); n != 1 {
		t.Errorf("%d keysets were saved, want 1", n)
	}
	for i, r := range rings {
		mustOpen(t, rings[(i+1)%len(rings)], "x", seal(t, r, "x", "v"), "v")
	}
}

func TestWrongMasterKeyIsNoticedAndHarmsNothing(t *testing.T) {
	t.Parallel()
	m, right, c := &memory{}, secret.NewMasterKey(), newClock()
	r := open(t, m, right, c)
	sealed := seal(t, r, "x", "v")
	before, version, _ := m.Load(t.Context())

	wrong := secret.NewMasterKey()
	_, err := secret.LoadOrCreate(t.Context(), m, wrong, c.Now)
	if !errors.Is(err, secret.ErrWrongMasterKey) {
		t.Fatalf("wrong key: %v, want ErrWrongMasterKey", err)
	}
	for _, want := range []string{right.ID(), wrong.ID()} {
		if !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("the error does not name key %s: %v", want, err)
		}
	}
	if _, err := secret.LoadOrCreate(t.Context(), m, secret.MasterKey{}, c.Now); !errors.Is(err, secret.ErrMasterKeyMissing) {
		t.Errorf("no key: %v, want ErrMasterKeyMissing", err)
	}
	after, v2, _ := m.Load(t.Context())
	if !bytes.Equal(before, after) || version != v2 {
		t.Error("the keyset was touched")
	}
	mustOpen(t, open(t, m, right, c), "x", sealed, "v")
}

func TestRotationWhileTwoReplicasRun(t *testing.T) {
	t.Parallel()
	m, master, c := &memory{}, secret.NewMasterKey(), newClock()
	a, b := open(t, m, master, c), open(t, m, master, c)
	ctx := t.Context()
	oldPrefix, oldValue := a.PrimaryPrefix(), seal(t, a, "x", "old")
	mac := a.MAC("idempotency", []byte("body"))

	added, err := a.AddKey(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.PrimaryPrefix(), oldPrefix) {
		t.Error("AddKey changed what seals")
	}
	if err := a.Promote(ctx, added); err != nil {
		t.Fatal(err)
	}
	newValue := seal(t, a, "x", "new")
	if !bytes.HasPrefix(newValue, added) {
		t.Error("the promoted key does not seal")
	}
	// b has heard of none of it, and learns by meeting the value.
	mustOpen(t, b, "x", newValue, "new")
	mustOpen(t, b, "x", oldValue, "old")

	if err := a.Retire(ctx, oldPrefix); !errors.Is(err, secret.ErrTooEarly) {
		t.Fatalf("Retire at once: %v, want ErrTooEarly", err)
	}
	c.Advance(2*secret.MaxStale + time.Second)
	if err := a.Retire(ctx, added); err == nil {
		t.Error("the key that seals was dropped")
	}
	if err := a.Retire(ctx, oldPrefix); err != nil {
		t.Fatalf("Retire: %v", err)
	}
	if err := a.Retire(ctx, oldPrefix); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("Retire again: %v, want ErrUnknownKey", err)
	}
	if _, err := a.Open("x", oldValue); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("a value under the dropped key: %v, want ErrUnknownKey", err)
	}
	if got := len(a.KeyPrefixes()); got != 1 {
		t.Errorf("%d keys, want 1", got)
	}
	third := open(t, m, master, c)
	for name, r := range map[string]*secret.Keyring{"a": a, "b": b, "third": third} {
		if !bytes.Equal(r.MAC("idempotency", []byte("body")), mac) {
			t.Errorf("%s: the MAC changed with the rotation", name)
		}
		mustOpen(t, r, "x", newValue, "new")
	}
}

func TestNoReplicaSealsWithOutdatedKeys(t *testing.T) {
	t.Parallel()
	m, master, c := &memory{}, secret.NewMasterKey(), newClock()
	a, b := open(t, m, master, c), open(t, m, master, c)
	added, err := a.AddKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Promote(t.Context(), added); err != nil {
		t.Fatal(err)
	}
	c.Advance(secret.MaxStale + time.Millisecond)
	if v := seal(t, b, "x", "v"); !bytes.HasPrefix(v, added) {
		t.Error("a replica that was not told for MaxStale still seals with the old key")
	}
	m.broken.Store(true)
	c.Advance(secret.MaxStale + time.Millisecond)
	if _, err := b.Seal("x", []byte("v")); !errors.Is(err, errBroken) {
		t.Errorf("sealing without knowing the keys: %v, want the database's error", err)
	}
	// Opening needs no news.
	m.broken.Store(false)
	v := seal(t, b, "x", "v")
	m.broken.Store(true)
	mustOpen(t, b, "x", v, "v")
	if err := b.Refresh(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("Refresh: %v", err)
	}
	mustOpen(t, b, "x", v, "v")
}

func TestUnknownKeysDoNotHammerTheDatabase(t *testing.T) {
	t.Parallel()
	m, c := &memory{}, newClock()
	r := open(t, m, secret.NewMasterKey(), c)
	foreign := seal(t, open(t, &memory{}, secret.NewMasterKey(), c), "x", "v")
	before := m.loads.Load()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 50 {
				if _, err := r.Open("x", foreign); !errors.Is(err, secret.ErrUnknownKey) {
					t.Errorf("Open: %v, want ErrUnknownKey", err)
				}
			}
		})
	}
	wg.Wait()
	if n := m.loads.Load() - before; n != 1 {
		t.Errorf("%d reloads for 1000 values of an unknown key, want 1", n)
	}
	c.Advance(4 * time.Second)
	if _, err := r.Open("x", foreign); !errors.Is(err, secret.ErrUnknownKey) {
		t.Error(err)
	}
	if n := m.loads.Load() - before; n != 2 {
		t.Errorf("%d reloads after the pause, want 2", n)
	}
}

func TestRotationsAtOnceLoseNoKey(t *testing.T) {
	t.Parallel()
	m, master, c := &memory{}, secret.NewMasterKey(), newClock()
	var wg sync.WaitGroup
	prefixes := make([][]byte, 4)
	for i := range prefixes {
		r := open(t, m, master, c)
		wg.Go(func() {
			p, err := r.AddKey(t.Context())
			if err != nil {
				t.Errorf("AddKey: %v", err)
			}
			prefixes[i] = p
		})
	}
	wg.Wait()
	have := open(t, m, master, c).KeyPrefixes()
	if len(have) != 1+len(prefixes) {
		t.Errorf("%d keys, want %d", len(have), 1+len(prefixes))
	}
	for _, p := range prefixes {
		found := false
		for _, h := range have {
			found = found || bytes.Equal(h, p)
		}
		if !found {
			t.Errorf("key %x is lost", p)
		}
	}
}

func TestUseWhileKeysRotate(t *testing.T) {
	t.Parallel()
	m, master, c := &memory{}, secret.NewMasterKey(), newClock()
	a, b := open(t, m, master, c), open(t, m, master, c)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	// Minutes do not pass between sealing and opening.
	var passing sync.RWMutex
	advance := func() {
		passing.Lock()
		defer passing.Unlock()
		c.Advance(2*secret.MaxStale + time.Second)
	}
	use := func(r *secret.Keyring) error {
		passing.RLock()
		defer passing.RUnlock()
		v, err := r.Seal("x", []byte("v"))
		if err == nil {
			_, err = r.Open("x", v)
		}
		return err
	}
	for _, r := range []*secret.Keyring{a, b} {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := use(r); err != nil {
					t.Errorf("use: %v", err)
					return
				}
			}
		})
	}
	for range 20 {
		advance()
		old := a.PrimaryPrefix()
		p, err := a.AddKey(t.Context())
		if err == nil {
			err = a.Promote(t.Context(), p)
		}
		advance()
		if err == nil {
			err = b.Refresh(t.Context())
		}
		if err == nil {
			err = a.Retire(t.Context(), old)
		}
		if err != nil {
			t.Errorf("rotation: %v", err)
			break
		}
	}
	close(stop)
	wg.Wait()
}

func TestMACsOfPurposesDiffer(t *testing.T) {
	t.Parallel()
	m, master, c := &memory{}, secret.NewMasterKey(), newClock()
	r := open(t, m, master, c)
	one := r.MAC("code", []byte("1234"))
	if bytes.Equal(one, r.MAC("idempotency", []byte("1234"))) || bytes.Equal(one, r.MAC("code", []byte("1235"))) {
		t.Error("MACs collide")
	}
	if !secret.SameHash(one, open(t, m, master, c).MAC("code", []byte("1234"))) {
		t.Error("another replica makes another MAC")
	}
	if secret.SameHash(one, open(t, &memory{}, master, c).MAC("code", []byte("1234"))) {
		t.Error("another database makes the same MAC")
	}
}

func BenchmarkSeal1KiB(b *testing.B) {
	r := open(b, &memory{}, secret.NewMasterKey(), newClock())
	plain := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Seal("app|table|row|column", plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen1KiB(b *testing.B) {
	r := open(b, &memory{}, secret.NewMasterKey(), newClock())
	sealed := seal(b, r, "app|table|row|column", string(make([]byte, 1024)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open("app|table|row|column", sealed); err != nil {
			b.Fatal(err)
		}
	}
}
