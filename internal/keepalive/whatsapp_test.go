package keepalive_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/connector/whatsapp/sim"
	"latchkey/internal/store"
)

func TestLinkedAccountIsConnectedAndStaysSo(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		p := newPhones(t)
		h := newHouse(t, url, p.conn)
		r := h.replica("one", nil)
		a := h.account(r, p.link(ada), latchkey.WhatsApp)
		p.online(ada, 1)
		p.Drop()
		until(t, "connected again", func() bool { _, on := p.Devices(ada); return on == 1 && len(p.Logins()) >= 2 })
		if got := h.statusEvents(a.ID); len(got) != 0 {
			t.Errorf("a broken socket was told: %v", got)
		}
	})
}

func TestUnlinkedOnThePhone(t *testing.T) {
	p := newPhones(t)
	h := newHouse(t, "", p.conn)
	r := h.replica("one", nil)
	a := h.account(r, p.link(ada), latchkey.WhatsApp)
	p.online(ada, 1)
	if err := p.Unlink(ada); err != nil {
		t.Fatal(err)
	}
	h.status(a.ID, latchkey.AccountCredentials, latchkey.ReasonSessionTerminated)
	until(t, "nobody tries any more", func() bool { return r.Held() == 0 })
	k, err := h.store.Keeps().Get(t.Context(), a.ID)
	if err != nil || !k.Due.IsZero() {
		t.Errorf("still due: %+v, %v", k, err)
	}
	// The same account is linked again: it heals under its id.
	g := p.link(ada)
	now := h.get(a.ID)
	now.Secret, now.Status, now.Reason, now.UpdatedAt = g.Secret, latchkey.AccountOK, "", time.Now()
	if err := h.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		if err := tx.Accounts().Update(ctx, now); err != nil {
			return err
		}
		return r.Wanted(ctx, tx, now)
	}); err != nil {
		t.Fatal(err)
	}
	p.online(ada, 1)
	if got := h.statusEvents(a.ID); !slices.Equal(got, []string{"CREDENTIALS session_terminated"}) {
		t.Errorf("told: %v", got)
	}
}

func TestUnlinkedWhileWeWereAway(t *testing.T) {
	p := newPhones(t)
	h := newHouse(t, "", p.conn)
	r := h.replica("one", nil)
	a := h.account(r, p.link(ada), latchkey.WhatsApp)
	p.online(ada, 1)
	r.end()
	p.online(ada, 0)
	if err := p.Unlink(ada); err != nil {
		t.Fatal(err)
	}
	h.replica("two", nil)
	h.status(a.ID, latchkey.AccountCredentials, latchkey.ReasonSessionTerminated)
}

func TestBanHasAnEnd(t *testing.T) {
	p := newPhones(t)
	h := newHouse(t, "", p.conn)
	r := h.replica("one", nil)
	a := h.account(r, p.link(ada), latchkey.WhatsApp)
	p.online(ada, 1)
	began := time.Now()
	if err := p.Ban(ada, 101, 3*time.Second); err != nil {
		t.Fatal(err)
	}
	got := h.status(a.ID, latchkey.AccountError, latchkey.ReasonTemporaryBan)
	if u := got.Sources[0].Until; u.Before(began) || u.After(time.Now().Add(time.Minute)) {
		t.Errorf("sources: %+v", got.Sources)
	}
	got = h.status(a.ID, latchkey.AccountOK, "")
	if !got.Sources[0].Until.IsZero() || time.Since(began) < 3*time.Second {
		t.Errorf("it healed after %s: %+v", time.Since(began), got.Sources)
	}
	if told := h.statusEvents(a.ID); !slices.Equal(told, []string{"ERROR temporarily_blocked", "OK"}) {
		t.Errorf("told: %v", told)
	}
}

func TestServerRefusesLinkedDevices(t *testing.T) {
	for name, x := range map[string]struct {
		faults sim.Faults
		lock   int
		status latchkey.AccountStatus
		reason latchkey.Reason
	}{
		"outdated": {sim.Faults{Failure: 405}, 0, latchkey.AccountError, latchkey.ReasonClientOutdated},
		"locked":   {sim.Faults{}, 403, latchkey.AccountCredentials, latchkey.ReasonBlocked},
		"banned":   {sim.Faults{}, 406, latchkey.AccountCredentials, latchkey.ReasonBlocked},
		"odd":      {sim.Faults{Failure: 400}, 0, latchkey.AccountError, latchkey.ReasonProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPhones(t)
			h := newHouse(t, "", p.conn)
			g := p.link(ada)
			p.SetFaults(x.faults)
			if err := p.Lock(ada, x.lock); err != nil {
				t.Fatal(err)
			}
			a := h.account(h.replica("one", nil), g, latchkey.WhatsApp)
			h.status(a.ID, x.status, x.reason)
		})
	}
}

// TestOutageIsTold: a network that is gone is CONNECTING, after some tries, and never CREDENTIALS.
func TestOutageIsTold(t *testing.T) {
	p := newPhones(t)
	h := newHouse(t, "", p.conn)
	g := p.link(ada)
	p.SetFaults(sim.Faults{CutAt: sim.EdgeUpgrade})
	a := h.account(h.replica("one", nil), g, latchkey.WhatsApp)
	h.status(a.ID, latchkey.AccountConnecting, latchkey.ReasonHostUnreachable)
	p.SetFaults(sim.Faults{})
	h.status(a.ID, latchkey.AccountOK, "")
}

// TestDeletedAccountIsUnlinked: the phone lists the device no more, and nobody was connected twice.
func TestDeletedAccountIsUnlinked(t *testing.T) {
	p := newPhones(t)
	h := newHouse(t, "", p.conn)
	one := h.replica("one", nil)
	a := h.account(one, p.link(ada), latchkey.WhatsApp)
	p.online(ada, 1)
	two := h.replica("two", nil)
	jobs := revocations(t, h, a)
	// The replica that does the job is not the one that is connected: it has to wait for it.
	until(t, "the other lets go", func() bool {
		return two.accounts.HandleRevoke(t.Context(), jobs) == nil
	})
	if linked, on := p.Devices(ada); linked != 0 || on != 0 {
		t.Errorf("%d linked, %d online", linked, on)
	}
	if _, err := h.store.Keeps().Get(t.Context(), a.ID); err == nil {
		t.Error("the lease is still there")
	}
}

// revocations deletes the account and returns the job that ends it at the provider.
func revocations(t *testing.T, h *house, a latchkey.Account) store.RunningJob {
	t.Helper()
	catcher := &jobCatcher{Store: h.store}
	svc := accounts.New(accounts.Config{Store: catcher, Connectors: h.conns, Events: emitter{}, Seal: h.ring, Now: time.Now, Log: discard()})
	if err := svc.Delete(t.Context(), h.app.ID, string(a.ID)); err != nil {
		t.Fatal(err)
	}
	if len(catcher.jobs) != 1 {
		t.Fatalf("%d jobs", len(catcher.jobs))
	}
	return store.RunningJob{Kind: catcher.jobs[0].Kind, Args: catcher.jobs[0].Args, Attempt: 1, MaxAttempts: 10}
}

// TestNothingInTheDatabaseIsAPrivateKey looks for the keys of a connected device in all that is stored.
func TestNothingInTheDatabaseIsAPrivateKey(t *testing.T) {
	p := newPhones(t)
	h := newHouse(t, "", p.conn)
	g := p.link(ada)
	a := h.account(h.replica("one", nil), g, latchkey.WhatsApp)
	p.online(ada, 1)
	var secrets map[string]any
	if err := json.Unmarshal(g.Secret, &secrets); err != nil {
		t.Fatal(err)
	}
	canaries := map[string][]byte{}
	for _, name := range []string{"noise", "identity", "prekey", "adv", "names"} {
		raw, err := base64.StdEncoding.DecodeString(secrets[name].(string))
		if err != nil || len(raw) != 32 {
			t.Fatalf("%s: %v", name, err)
		}
		canaries[name] = raw
	}
	ref := store.MemoryRef{AccountID: a.ID, ApplicationID: a.ApplicationID}
	var shelves map[string][]byte
	until(t, "one-time keys are kept", func() bool {
		var err error
		if shelves, err = h.store.Memories().List(t.Context(), ref, "prekey", ""); err != nil {
			t.Fatal(err)
		}
		return len(shelves) > 10
	})
	for name, raw := range shelves {
		if name != "next" {
			canaries["one-time "+name] = raw[5:37]
		}
	}
	files := map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(h.path + suffix)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		files[suffix] = raw
	}
	if len(files[""])+len(files["-wal"]) < 50_000 {
		t.Fatalf("the files are too small to hold anything: %d", len(files[""]))
	}
	for name, key := range canaries {
		forms := [][]byte{key, []byte(hex.EncodeToString(key)), []byte(base64.StdEncoding.EncodeToString(key)), []byte(base64.RawURLEncoding.EncodeToString(key))}
		for suffix, file := range files {
			for _, form := range forms {
				if bytes.Contains(file, form) {
					t.Errorf("the key %s lies in the database%s in clear", name, suffix)
				}
			}
		}
	}
	if !bytes.Contains(slices.Concat(files[""], files["-wal"]), []byte(a.ID)) {
		t.Error("the account itself was not found: the search proves nothing")
	}
	for suffix, file := range files {
		if strings.Contains(string(file), "wa.me/settings") {
			t.Errorf("a QR code lies in the database%s", suffix)
		}
	}
}

// TestUnreadableKeysAreNoticedBeforeConnecting: with keys that do not fit, nobody connects, since the
// server would take the device for unlinked, and the library would delete it. What is stored stays.
func TestUnreadableKeysAreNoticedBeforeConnecting(t *testing.T) {
	for name, x := range map[string]struct {
		table, column string
		told          bool
	}{
		"memory": {"account_memory", "value", true},
		// Of an account that cannot be read at all, nothing can be written either: the log says it.
		"credential": {"accounts", "secret", false},
	} {
		t.Run(name, func(t *testing.T) {
			engines(t, func(t *testing.T, url string) {
				p := newPhones(t)
				h := newHouse(t, url, p.conn)
				r := h.replica("one", nil)
				a := h.account(r, p.link(ada), latchkey.WhatsApp)
				p.online(ada, 1)
				r.end()
				logins, rows := len(p.Logins()), h.count(x.table)
				junk := make([]byte, 60) // as sealed by a key that is not there
				if _, err := h.sql().ExecContext(t.Context(), "UPDATE "+x.table+" SET "+x.column+" = substr("+x.column+", 1, 5) || $1", junk); err != nil {
					t.Fatal(err)
				}
				h.replica("two", nil)
				until(t, "it was tried", func() bool {
					k, err := h.store.Keeps().Get(t.Context(), a.ID)
					return err == nil && k.Fails > 0 && k.Owner == ""
				})
				if st, why := h.statusOf(a.ID); x.told != (st == latchkey.AccountError && why == latchkey.ReasonSealedUnreadable) {
					t.Errorf("the account is %s %s", st, why)
				}
				if n := len(p.Logins()); n != logins {
					t.Errorf("it connected %d times all the same", n-logins)
				}
				if linked, _ := p.Devices(ada); linked != 1 || h.count(x.table) != rows {
					t.Errorf("%d devices linked, %d of %d rows", linked, h.count(x.table), rows)
				}
			})
		})
	}
}

func TestLinkedAgainForgetsWhatWasKept(t *testing.T) {
	p := newPhones(t)
	h := newHouse(t, "", p.conn)
	r := h.replica("one", nil)
	a := h.account(r, p.link(ada), latchkey.WhatsApp)
	p.online(ada, 1)
	ref := store.MemoryRef{AccountID: a.ID, ApplicationID: a.ApplicationID}
	mark := func() []byte {
		m, err := h.store.Memories().Get(t.Context(), ref, "mark", "", "linking")
		if err != nil {
			t.Fatal(err)
		}
		return m["linking"]
	}
	first := mark()
	now := h.get(a.ID)
	now.Secret = p.link(ada).Secret
	if err := h.store.InTx(t.Context(), func(ctx context.Context, tx store.Tx) error {
		if err := tx.Accounts().Update(ctx, now); err != nil {
			return err
		}
		return r.Wanted(ctx, tx, now)
	}); err != nil {
		t.Fatal(err)
	}
	until(t, "the memory is the new linking's", func() bool { m := mark(); return len(m) > 0 && !cmp.Equal(m, first) })
}
