package e2e_test

import (
	"bytes"
	"encoding/base64"
	encbin "encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tgsim "latchkey/internal/connector/telegram/sim"
	"latchkey/internal/connector/whatsapp/sim"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// forms are the ways in which a key may lie somewhere in clear: its bytes, hexadecimal (which is also
// what bytea looks like in a dump), octal escapes, and both alphabets of base64, at each of the three
// places of a base64 text that it may begin at.
func forms(key []byte) [][]byte {
	out := [][]byte{key, []byte(hex.EncodeToString(key)), []byte(strings.ToUpper(hex.EncodeToString(key)))}
	var octal strings.Builder
	for _, b := range key {
		fmt.Fprintf(&octal, `\%03o`, b)
	}
	out = append(out, []byte(octal.String()))
	for before := range 3 {
		padded := append(bytes.Repeat([]byte{'x'}, before), key...)
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			enc := alphabet.EncodeToString(padded)
			out = append(out, []byte(enc[(before*8+5)/6:len(padded)*8/6])) // without what depends on the neighbours
		}
	}
	return out
}

// needles finds many keys in one pass.
type needles map[[8]byte][]needle

type needle struct {
	what string
	form []byte
}

func (n needles) add(what string, key []byte) {
	for _, f := range forms(key) {
		at := [8]byte(f)
		n[at] = append(n[at], needle{what, f})
	}
}

func (n needles) in(hay []byte) []string {
	var out []string
	for i := 0; i+8 <= len(hay); i++ {
		for _, x := range n[[8]byte(hay[i:])] {
			if bytes.HasPrefix(hay[i:], x.form) {
				out = append(out, x.what)
			}
		}
	}
	return out
}

// TestNeedles shows that the search finds keys in each form, between others' bytes.
func TestNeedles(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("\x00\xffk~", 8))
	n := needles{}
	n.add("it", key)
	for before := range 3 {
		around := slices.Concat(bytes.Repeat([]byte("a"), before), key, []byte("zz"))
		for name, hay := range map[string]string{
			"raw": string(around), "hex": `\x` + hex.EncodeToString(around), "base64": base64.StdEncoding.EncodeToString(around),
			"url": "?" + base64.URLEncoding.EncodeToString(around), "json in base64": base64.StdEncoding.EncodeToString(around) + `","x":1`,
		} {
			if len(n.in([]byte("--"+hay))) == 0 {
				t.Errorf("%s, %d before: not found", name, before)
			}
		}
	}
	if got := n.in([]byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k~"), 100)))); len(got) > 0 {
		t.Errorf("found what is not there: %v", got)
	}
}

// phoneWorld is an installation with a simulated WhatsApp and a simulated Telegram.
type phoneWorld struct {
	*install
	wa   *sim.Sim
	tg   *tgsim.Sim
	pass string // Ben's two-step password
}

func newPhoneWorld(t *testing.T, engine string) *phoneWorld {
	t.Helper()
	in := newInstall(t)
	w := &phoneWorld{install: in, pass: in.seen.password("telegram")}
	var err error
	if w.wa, err = sim.Start(sim.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.wa.Close() })
	if w.tg, err = tgsim.Start(tgsim.Config{Now: time.Now, ResendAfter: time.Second}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := w.tg.Overlaps(); n > 0 {
			t.Errorf("one key was used on two connections at a time, %d times", n)
		}
		_ = w.tg.Close()
	})
	w.wa.AddPhone(sim.Phone{Number: phoneOfAda})
	for _, p := range []tgsim.Person{
		{Phone: phoneOfMaria, First: "Maria"},
		{Phone: phoneOfBen, First: "Ben", DC: 4, Password: w.pass, Hint: "our first dog"},
	} {
		if _, err := w.tg.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	keys := filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(keys, w.tg.PublicKeysPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"LATCHKEY_WHATSAPP_ADDR": w.wa.Addr(), "LATCHKEY_WHATSAPP_ROOT_KEY": w.wa.RootKey(),
		"LATCHKEY_TELEGRAM_DCS": w.tg.DCs(), "LATCHKEY_TELEGRAM_PUBLIC_KEYS": keys,
		"LATCHKEY_TELEGRAM_API_ID": "4242", "LATCHKEY_TELEGRAM_API_HASH": random(16),
	} {
		in.env[k] = v
	}
	if engine == "postgres" {
		in.postgres()
	}
	return w
}

// dump is all that is stored: the files with SQLite's journal, or what pg_dump writes.
func (w *phoneWorld) dump() map[string][]byte {
	w.t.Helper()
	places := map[string][]byte{}
	if err := w.seen.database(places); err != nil {
		w.t.Fatal(err)
	}
	return places
}

// opened reads the store beside a stopped installation.
func (w *phoneWorld) opened() *sqlstore.Store {
	w.t.Helper()
	db, err := sqlstore.OpenDatabase(w.t.Context(), sqlstore.Options{
		URL: w.env["LATCHKEY_DATABASE_URL"], Path: filepath.Join(w.dir, "latchkey.db"), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	master, err := secret.ReadMasterKey(filepath.Join(w.dir, "master.key"))
	if given := w.env["LATCHKEY_MASTER_KEY"]; given != "" {
		master, err = secret.ParseMasterKey(given)
	}
	var ring *secret.Keyring
	if err == nil {
		ring, err = secret.LoadOrCreate(w.t.Context(), db.Keysets(), master, time.Now)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := sqlstore.NewStore(db, ring)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// whatsAppKeys adds all keys of a linked device, as the store opens them.
func (w *phoneWorld) whatsAppKeys(n needles, s *sqlstore.Store, a store.MemoryRef, credential []byte) {
	w.t.Helper()
	var keys struct{ Noise, Identity, PreKey, Adv, Names []byte }
	if err := json.Unmarshal(credential, &keys); err != nil {
		w.t.Fatal(err)
	}
	for what, k := range map[string][]byte{"noise": keys.Noise, "identity": keys.Identity, "signed prekey": keys.PreKey, "adv": keys.Adv, "names": keys.Names} {
		if len(k) != 32 {
			w.t.Fatalf("%s has %d bytes", what, len(k))
		}
		n.add("WhatsApp's "+what, k)
	}
	shelves, err := s.Memories().List(w.t.Context(), a, "prekey", "")
	if err != nil {
		w.t.Fatal(err)
	}
	oneTime := 0
	const entry = 4 + 1 + 32 // id, uploaded, key
	for name, shelf := range shelves {
		if name == "next" || len(shelf)%entry != 0 {
			continue
		}
		for x := range slices.Chunk(shelf, entry) {
			oneTime++
			n.add(fmt.Sprint("WhatsApp's one-time key ", encbin.BigEndian.Uint32(x)), x[5:])
		}
	}
	if oneTime < 100 {
		w.t.Fatalf("%d one-time keys", oneTime)
	}
}

// TestPhoneKeysLieNowhereInClear links a WhatsApp and a Telegram account and looks for every private
// key of theirs in all that was stored: while they were being linked, connected, after a kill, and
// after the installation's own keys were changed.
func TestPhoneKeysLieNowhereInClear(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newPhoneWorld(t, engine)
			s := w.start()
			dumps := map[string]map[string][]byte{}

			code := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "WHATSAPP"})
			ben := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "TELEGRAM", "method": "phone_code", "phone": phoneOfBen})
			dumps["while a code is shown"] = w.dump()
			if err := w.wa.Scan(phoneOfAda, code.text("checkpoint.payload")); err != nil {
				t.Fatal(err)
			}
			s.api.solved(t, code.text("account_id"))
			sms, err := w.tg.Code(phoneOfBen)
			if err != nil {
				t.Fatal(err)
			}
			ben = s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": ben.text("account_id"), "code": sms})
			dumps["while a password is asked for"] = w.dump()
			s.api.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": ben.text("account_id"), "code": w.pass})
			maria := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "TELEGRAM"})
			if err := w.tg.Scan(phoneOfMaria, maria.text("checkpoint.payload")); err != nil {
				t.Fatal(err)
			}
			s.api.solved(t, maria.text("account_id"))
			w.online(t, 1)
			dumps["connected"] = w.dump()
			s.kill()
			s = w.start()
			logins := len(w.wa.Logins())
			w.wa.Drop()
			for len(w.wa.Logins()) == logins {
				if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
					t.Fatal("it does not connect again")
				}
			}
			dumps["after a kill"] = w.dump()
			if c := w.command("keys", "rotate", "--pause", "1s"); c.code != 0 {
				t.Fatalf("keys rotate: %s%s", c.out, c.errOut)
			}
			w.online(t, 1)
			dumps["after the installation's keys changed"] = w.dump()
			if c, _ := s.stop(); c != 0 {
				t.Errorf("status %d", c)
			}
			dumps["stopped"] = w.dump()

			n := w.needles(code.text("account_id"))
			for when, places := range dumps {
				known := false
				for place, content := range places {
					for _, what := range slices.Compact(slices.Sorted(slices.Values(n.in(content)))) {
						t.Errorf("%s: %s lies in %s in clear", when, what, place)
					}
					known = known || bytes.Contains(content, []byte(code.text("account_id"))) || bytes.Contains(content, []byte("WHATSAPP"))
				}
				if !known {
					t.Errorf("%s: nothing of the account was found: the search proves nothing", when)
				}
			}
			if got := n.in([]byte(w.log.String())); len(got) > 0 {
				t.Errorf("the log has %v", got)
			}
			// Numbers are not for the log, which is at debug here.
			for _, number := range []string{phoneOfAda, strings.NewReplacer(" ", "", "+", "").Replace(phoneOfBen), strings.NewReplacer(" ", "", "+", "").Replace(phoneOfMaria)} {
				if i := strings.Index(w.log.String(), number); i >= 0 {
					t.Errorf("a phone number is in the log: %q", around([]byte(w.log.String()), i))
				}
			}
		})
	}
}

// needles are all private keys of the accounts, which are read as the installation reads them, and
// those that the simulated Telegram knows.
func (w *phoneWorld) needles(whatsApp string) needles {
	w.t.Helper()
	st := w.opened()
	defer st.Close()
	n := needles{}
	n.add("the api_hash", []byte(w.env["LATCHKEY_TELEGRAM_API_HASH"]))
	apps, err := st.Applications().List(w.t.Context())
	if err != nil || len(apps) != 1 {
		w.t.Fatalf("applications: %v, %v", apps, err)
	}
	acc, err := st.Accounts().Get(w.t.Context(), apps[0].ID, whatsApp)
	if err != nil {
		w.t.Fatal(err)
	}
	w.whatsAppKeys(n, st, store.MemoryRef{AccountID: acc.ID, ApplicationID: acc.ApplicationID}, acc.Secret)
	keys := w.tg.Keys()
	if len(keys) < 3 {
		w.t.Fatalf("%d keys at Telegram", len(keys))
	}
	for i, k := range keys {
		n.add(fmt.Sprint("Telegram's key ", i), k)
		n.add(fmt.Sprint("the beginning of Telegram's key ", i), k[:64])
	}
	return n
}

// online waits until so many devices of Ada are connected.
func (w *phoneWorld) online(t *testing.T, n int) {
	t.Helper()
	for {
		if _, on := w.wa.Devices(phoneOfAda); on == n {
			return
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("never %d devices online", n)
		}
	}
}

// solved polls a checkpoint to its good end.
func (a *api) solved(t *testing.T, account string) response {
	t.Helper()
	for {
		res, err := a.call(t.Context(), http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": account})
		if err != nil {
			t.Fatal(err)
		}
		switch res.status {
		case http.StatusCreated:
			return res
		case http.StatusAccepted:
		default:
			t.Fatalf("%d %s", res.status, res.body)
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("%s", res.body)
		}
	}
}

// TestWrongMasterKeyConnectsNobody: an installation with the wrong key refuses to start. It asks no
// server for anything, and deletes nothing: with the right key, the devices are connected again.
func TestWrongMasterKeyConnectsNobody(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newPhoneWorld(t, engine)
			s := w.start()
			code := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "WHATSAPP"})
			if err := w.wa.Scan(phoneOfAda, code.text("checkpoint.payload")); err != nil {
				t.Fatal(err)
			}
			id := code.text("account_id")
			s.api.solved(t, id)
			w.online(t, 1)
			s.kill()
			w.online(t, 0)
			logins := len(w.wa.Logins())
			w.refuse(t, 1, map[string]string{"LATCHKEY_MASTER_KEY": random64(32)}, "master key")
			if linked, _ := w.wa.Devices(phoneOfAda); linked != 1 || len(w.wa.Logins()) != logins {
				t.Errorf("%d devices are linked, after %d logins", linked, len(w.wa.Logins())-logins)
			}
			s = w.start()
			w.online(t, 1)
			if res := s.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+id, nil); res.text("status") != "OK" {
				t.Errorf("the account is %s", res.body)
			}
		})
	}
}
