package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/connector/whatsapp/sim"
)

const (
	phoneOfAda   = "4915112345678"
	phoneOfPatty = "442079460958" // a business
	phoneOfCleo  = "33612345678"  // with a passkey
)

// linked is a simulated WhatsApp, and an installation that takes it for the real one.
type linked struct {
	*server
	sim     *sim.Sim
	backend *receiver
	second  *server // another replica, on PostgreSQL; requests go to both by turns
}

func newLinked(t *testing.T, postgres bool) *linked {
	t.Helper()
	in := newInstall(t)
	w := &linked{}
	var err error
	if w.sim, err = sim.Start(sim.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.sim.Close() })
	w.sim.AddPhone(sim.Phone{Number: phoneOfAda})
	w.sim.AddPhone(sim.Phone{Number: phoneOfPatty, Business: "Patty's Bakery"})
	in.env["LATCHKEY_WHATSAPP_ADDR"], in.env["LATCHKEY_WHATSAPP_ROOT_KEY"] = w.sim.Addr(), w.sim.RootKey()
	in.env["LATCHKEY_APP_NAME"] = "Northwind"
	if postgres {
		in.postgres()
	}
	if postgres {
		w.server, w.second = in.pair()
	} else {
		w.server = in.start()
	}
	w.backend = in.receive()
	return w
}

func (w *linked) link(t *testing.T, more ...fields) link {
	t.Helper()
	return w.api.link(t, append([]fields{{"providers": []string{"WHATSAPP"}, "notify_url": w.backend.url + "/notify"}}, more...)...)
}

// viewer is somebody in front of Chromium, with a phone in the other hand.
type viewer struct {
	*browser.Tab
	t    *testing.T
	w    *linked
	name string
}

func (w *linked) viewer(t *testing.T, name string, l link) *viewer {
	t.Helper()
	tab := browser.Open(t)
	tab.View(390, 820, "light")
	v := &viewer{tab, t, w, name}
	v.Do(chromedp.Navigate(l.url))
	v.at("link.start")
	return v
}

func (v *viewer) at(step string) {
	v.t.Helper()
	v.Do(chromedp.WaitVisible(chromedp.CSS(`main[data-step="` + step + `"] h1`)))
}

func (v *viewer) press() { v.t.Helper(); v.Do(chromedp.Click(chromedp.CSS("main .btn"))) }

func (v *viewer) does(action string) {
	v.t.Helper()
	v.Do(chromedp.Click(chromedp.CSS(`main button[name=action][value=` + action + `]`)))
}

// look keeps pictures of the page in both schemes, and has them checked.
func (v *viewer) look(page string) {
	v.t.Helper()
	v.Inject(browser.Axe(v.t))
	for _, scheme := range []string{"light", "dark"} {
		v.View(390, 820, scheme)
		name := fmt.Sprintf("whatsapp-%s-%s-%s", v.name, page, scheme)
		for _, x := range v.Check() {
			v.t.Errorf("%s: %s (%s)\n%v", name, x.ID, x.Help, x.Nodes)
		}
		if wide := browser.Eval[int64](v.Tab, "document.documentElement.scrollWidth"); wide > 390 {
			v.t.Errorf("%s: the page is %d px wide", name, wide)
		}
		v.Shot(filepath.Join(browser.Root(v.t), "out", name+".png"))
	}
	v.View(390, 820, "light")
}

// payload reads what is shown off the flow, as the page's script does.
func (v *viewer) payload() string {
	v.t.Helper()
	code := v.shown()
	if code == "" {
		v.t.Fatal("nothing is shown")
	}
	return code
}

// shown is payload, or nothing.
func (v *viewer) shown() string {
	v.t.Helper()
	raw := browser.Eval[string](v.Tab, `(() => {
		const x = new XMLHttpRequest();
		x.open("GET", location.pathname + "/flow", false);
		x.setRequestHeader("Accept", "application/json");
		try { x.send(); } catch { return "{}"; }
		return x.responseText;
	})()`)
	var f struct {
		Step struct {
			Payload string `json:"payload"`
		} `json:"step"`
	}
	if err := json.Unmarshal([]byte(raw), &f); err != nil {
		v.t.Fatalf("%v: %s", err, raw)
	}
	return f.Step.Payload
}

// scans waits for a code, scans it and sees the end; it returns how long the page took to say so.
func (v *viewer) scans(phone string) time.Duration {
	v.t.Helper()
	v.at("whatsapp.qr")
	v.Do(chromedp.WaitVisible(chromedp.CSS("main svg")))
	code := v.payload()
	began := time.Now()
	if err := v.w.sim.Scan(phone, code); err != nil {
		v.t.Fatal(err)
	}
	v.at("flow.done")
	return time.Since(began)
}

func (w *linked) connected(t *testing.T, l link, status string) response {
	t.Helper()
	n := w.backend.await(t, l.id, status)
	res := w.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+n.AccountID, nil)
	if res.text("status") != "OK" || res.text("type") != "WHATSAPP" || res.text("identity_proof") != "provider" {
		t.Errorf("the account is %s", res.body)
	}
	return res
}

// phone waits until the phone lists so many devices, of which so many are online.
func (w *linked) phone(t *testing.T, number string, devices, online int) {
	t.Helper()
	for {
		d, on := w.sim.Devices(number)
		if d == devices && on == online {
			return
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("the phone lists %d devices, %d online; want %d and %d", d, on, devices, online)
		}
	}
}

func (w *linked) status(t *testing.T, a *api, id, status string) response {
	t.Helper()
	for {
		res := a.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+id, nil)
		if res.text("status") == status {
			return res
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("the account is %s", res.body)
		}
	}
}

func TestWhatsAppJourneys(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newLinked(t, engine == "postgres")

			// By QR code.
			l := w.link(t)
			v := w.viewer(t, engine, l)
			v.look("1-start")
			began := time.Now()
			v.press()
			v.at("whatsapp.qr")
			v.Do(chromedp.WaitVisible(chromedp.CSS("main svg")))
			t.Logf("choice to code: %v", time.Since(began))
			v.look("2-qr")
			t.Logf("scan to done: %v", v.scans(phoneOfPatty))
			v.look("3-done")
			patty := w.connected(t, l, "CREATION_SUCCESS")
			if patty.text("identity") != phoneOfPatty || patty.text("name") != "Patty's Bakery" || patty.text("connection_params.im.phone_number") != "+"+phoneOfPatty {
				t.Errorf("account %s", patty.body)
			}
			w.phone(t, phoneOfPatty, 1, 1)

			// By pairing code.
			l = w.link(t)
			v = w.viewer(t, engine, l)
			v.press()
			v.at("whatsapp.qr")
			v.does("switch_method")
			v.at("whatsapp.phone")
			// Not by keys: the page renews itself, and the field that is typed into may be gone.
			browser.Eval[bool](v.Tab, `document.querySelector("input[name=phone]").value = "0151 12345678", true`)
			v.press()
			v.Do(chromedp.WaitVisible(chromedp.CSS(`input[name=phone][aria-invalid=true]`)))
			v.look("4-phone")
			v.Do(chromedp.SetValue(chromedp.CSS(`input[name=phone]`), "+49 151 12345678"))
			v.press()
			v.at("whatsapp.code")
			v.Do(chromedp.WaitVisible(chromedp.CSS("#code")))
			v.look("5-code")
			if err := w.sim.TypeCode(phoneOfAda, browser.Eval[string](v.Tab, `document.querySelector("bdi#code").textContent`)); err != nil {
				t.Fatal(err)
			}
			v.at("flow.done")
			ada := w.connected(t, l, "CREATION_SUCCESS")
			w.phone(t, phoneOfAda, 1, 1)

			// An account that is asked for its passkey.
			w.sim.AddPhone(sim.Phone{Number: phoneOfCleo, Passkey: true})
			l = w.link(t)
			v = w.viewer(t, engine, l)
			v.press()
			v.at("whatsapp.qr")
			v.Do(chromedp.WaitVisible(chromedp.CSS("main svg")))
			if err := w.sim.Scan(phoneOfCleo, v.payload()); err != nil {
				t.Fatal(err)
			}
			v.at("whatsapp.passkey")
			v.look("6-passkey")
			proof, err := w.sim.Assertion(phoneOfCleo)
			if err != nil {
				t.Fatal(err)
			}
			v.Do(chromedp.SetValue(chromedp.CSS(`input[name=proof]`), proof))
			v.does("submit")
			v.at("flow.done")
			w.connected(t, l, "CREATION_SUCCESS")

			// Unlinked on the phone, and healed under the same id.
			id := patty.text("id")
			if err := w.sim.Unlink(phoneOfPatty); err != nil {
				t.Fatal(err)
			}
			if got := w.status(t, w.api, id, "CREDENTIALS"); got.text("reason") != "session_terminated" || got.text("action") != "reconnect" {
				t.Errorf("unlinked: %s", got.body)
			}
			l = w.link(t, fields{"type": "reconnect", "reconnect_account": id})
			v = w.viewer(t, engine, l)
			v.press()
			v.scans(phoneOfPatty)
			if again := w.connected(t, l, "RECONNECTED"); again.text("id") != id {
				t.Errorf("reconnected as %s", again.body)
			}
			w.phone(t, phoneOfPatty, 1, 1)

			// Deleted here: the phone lists it no more.
			w.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+ada.text("id"), nil)
			w.phone(t, phoneOfAda, 0, 0)

			if engine == "postgres" {
				// One replica dies: the other keeps the account connected.
				before := len(w.sim.Logins())
				w.kill()
				for len(w.sim.Logins()) == before {
					// It may have been the other one that was connected all along.
					if _, on := w.sim.Devices(phoneOfPatty); on == 1 && before > 0 {
						break
					}
					if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
						t.Fatal("nobody took over")
					}
				}
				w.phone(t, phoneOfPatty, 1, 1)
			}
		})
	}
}

// TestWhatsAppKilledBeforeThePhoneAgreed: nothing is there, and the page shows a fresh code.
func TestWhatsAppKilledBeforeThePhoneAgreed(t *testing.T) {
	t.Parallel()
	w := newLinked(t, false)
	l := w.link(t)
	v := w.viewer(t, "kill", l)
	v.press()
	v.at("whatsapp.qr")
	v.Do(chromedp.WaitVisible(chromedp.CSS("main svg")))
	first := v.payload()
	w.kill()
	w.server = w.start()
	for code := first; code == first || code == ""; code = v.shown() {
		if err := sleep(t.Context(), 100*time.Millisecond); err != nil {
			t.Fatal("the code is still the old one")
		}
	}
	if err := w.sim.Scan(phoneOfAda, first); err == nil {
		t.Error("a code of a dead process was scanned")
	}
	if n := len(w.api.accounts(t)); n != 0 {
		t.Errorf("%d accounts", n)
	}
	v.scans(phoneOfAda)
	// Killed after: the account is there, and connected again.
	acc := w.connected(t, l, "CREATION_SUCCESS")
	w.kill()
	w.server = w.start()
	w.phone(t, phoneOfAda, 1, 1)
	w.status(t, w.api, acc.text("id"), "OK")
}

// TestWhatsAppByAPI is an application with screens of its own.
func TestWhatsAppByAPI(t *testing.T) {
	t.Parallel()
	w := newLinked(t, true)
	began := time.Now()
	res := w.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "WHATSAPP", "account_id": "crm-7"})
	t.Logf("first code after %v", time.Since(began))
	id := res.text("account_id")
	if err := w.sim.Scan(phoneOfAda, res.text("checkpoint.payload")); err != nil {
		t.Fatalf("%v: %s", err, res.body)
	}
	for res.status != http.StatusCreated {
		var err error
		if res, err = w.api.call(t.Context(), http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": id}); err != nil {
			t.Fatal(err)
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("%s", res.body)
		}
	}
	res = w.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "WHATSAPP", "phone": "+" + phoneOfPatty})
	if err := w.sim.TypeCode(phoneOfPatty, res.text("checkpoint.payload")); err != nil {
		t.Fatalf("%v: %s", err, res.body)
	}
	w.phone(t, phoneOfPatty, 1, 1)
}
