package e2e_test

import (
	"database/sql"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	tgsim "latchkey/internal/connector/telegram/sim"
	"latchkey/internal/connector/whatsapp/sim"
)

func (s *server) pause()  { _ = syscall.Kill(-s.pid, syscall.SIGSTOP) }
func (s *server) resume() { _ = syscall.Kill(-s.pid, syscall.SIGCONT) }

// sql reaches the installation's database beside it.
func (in *install) sql(t *testing.T) *sql.DB {
	t.Helper()
	driver, source := "sqlite", filepath.Join(in.dir, "latchkey.db")
	if url := in.env["LATCHKEY_DATABASE_URL"]; url != "" {
		driver, source = "pgx", url
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// scanned goes through a link up to its QR code, has Ada scan it, and returns the account.
func (w *phoneWorld) scanned(t *testing.T, l link) string {
	t.Helper()
	v := w.visit(l)
	f, err := v.until(t.Context(), nil, func(f flow) bool { return dig(f.raw, "step.payload") != "" })
	if err != nil {
		t.Fatal(err)
	}
	if err := w.wa.Scan(phoneOfAda, dig(f.raw, "step.payload")); err != nil {
		t.Fatal(err)
	}
	for !completed(f) {
		if f, err = v.look(t.Context()); err != nil || f.Status == "failed" {
			t.Fatalf("%v: %s", err, f.raw)
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("never done: %s", f.raw)
		}
	}
	return f.Result.AccountID
}

// TestWhatsAppKilledAroundThePhonesWord kills the server after the phone's word and before the first
// connection, which the simulated server refuses until then: the account is there, and is connected by
// the next server. Then, again and again, at a moment around the phone's word: there is a whole
// account, or none.
func TestWhatsAppKilledAroundThePhonesWord(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newPhoneWorld(t, engine)
			s := w.start()

			// Before the phone's word: nothing is there, and the code is worth nothing any more.
			lost := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "WHATSAPP"})
			s.kill()
			eventually(t, 10*time.Second, "a dead process shows a code", func() bool { return w.wa.Waiting() == 0 })
			if err := w.wa.Scan(phoneOfAda, lost.text("checkpoint.payload")); err == nil {
				t.Error("a code of a dead process was scanned")
			}
			s = w.start()
			if linked, _ := w.wa.Devices(phoneOfAda); linked != 0 || len(s.api.accounts(t)) != 0 {
				t.Errorf("%d devices, %d accounts", linked, len(s.api.accounts(t)))
			}
			// Its flow goes on with another code, as soon as the dead process has lost it.
			eventually(t, time.Minute, "no other code", func() bool {
				next := s.api.settled(t, lost.text("account_id")).text("checkpoint.payload")
				return next != "" && next != lost.text("checkpoint.payload")
			})

			// After it, and before the first connection.
			w.wa.SetFaults(sim.Faults{CutAt: sim.EdgeLogin})
			code := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "WHATSAPP"})
			if err := w.wa.Scan(phoneOfAda, code.text("checkpoint.payload")); err != nil {
				t.Fatal(err)
			}
			id := code.text("account_id")
			s.api.solved(t, id)
			s.kill()
			if n := len(w.wa.Logins()); n != 0 {
				t.Fatalf("it was connected before: %d logins", n)
			}
			w.wa.SetFaults(sim.Faults{})
			s = w.start()
			w.online(t, 1)
			if res := s.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+id, nil); res.text("status") != "OK" {
				t.Errorf("the account is %s", res.body)
			}
			s.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+id, nil)
			w.linked(t, 0)

			there, none := 0, 0
			for range 6 {
				code := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "WHATSAPP"})
				if err := w.wa.Scan(phoneOfAda, code.text("checkpoint.payload")); err != nil {
					t.Fatal(err)
				}
				// Any moment of the pairing: the kill's time is what is tried.
				if err := sleep(t.Context(), rand.N(30*time.Millisecond)); err != nil {
					t.Fatal(err)
				}
				s.kill()
				s = w.start()
				accounts := s.api.accounts(t)
				switch len(accounts) {
				case 0:
					none++
					// Whoever was on the way sees a new code, or that the try is over; never an account.
					res, err := s.api.call(t.Context(), http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": code.text("account_id")})
					if err != nil || res.status == http.StatusCreated && len(s.api.accounts(t)) == 0 {
						t.Errorf("%v: %d %s", err, res.status, res.body)
					}
				case 1:
					there++
				default:
					t.Fatalf("%d accounts", len(accounts))
				}
				for _, a := range s.api.accounts(t) {
					account, _ := a["id"].(string)
					w.online(t, 1)
					s.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+account, nil)
					w.online(t, 0)
				}
			}
			t.Logf("killed around the phone's word: %d whole accounts, %d times none", there, none)
		})
	}
}

// linked waits until the phone lists so many devices.
func (w *phoneWorld) linked(t *testing.T, n int) {
	t.Helper()
	for {
		if linked, _ := w.wa.Devices(phoneOfAda); linked == n {
			return
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("never %d devices", n)
		}
	}
}

// TestTelegramKilledAtEachStep kills the server while each question is on the page, and while each
// answer is on its way to Telegram. The flow goes on at the next server, where it was, or asks again.
func TestTelegramKilledAtEachStep(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newPhoneWorld(t, engine)
			s := w.start()
			again := func() {
				t.Helper()
				s.kill()
				s = w.start()
			}
			// hung sends an answer that Telegram does not answer, and kills the server meanwhile.
			hung := func(method, account, answer string) response {
				t.Helper()
				if err := w.tg.Misbehave(tgsim.Fault{At: method, Kind: tgsim.FaultSilent, Times: 1}); err != nil {
					t.Fatal(err)
				}
				before := w.tg.Count(method)
				went := make(chan struct{})
				go func() {
					defer close(went)
					_, _ = s.api.call(t.Context(), http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": account, "code": answer})
				}()
				for w.tg.Count(method) == before {
					if err := sleep(t.Context(), 5*time.Millisecond); err != nil {
						t.Fatal("it is not asked")
					}
				}
				again()
				<-went
				return s.api.settled(t, account)
			}
			// By QR code: killed while it is shown. The next server renews it.
			maria := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "TELEGRAM"})
			again()
			res := s.api.settled(t, maria.text("account_id"))
			if err := w.tg.Scan(phoneOfMaria, res.text("checkpoint.payload")); err != nil {
				t.Fatalf("%v: %s", err, res.body)
			}
			again() // scanned, and nobody there to notice
			s.api.solved(t, maria.text("account_id"))

			// By number: while the code is asked for, while it is tried, while the password is asked for,
			// while it is tried.
			ben := s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{"provider": "TELEGRAM", "method": "phone_code", "phone": phoneOfBen})
			account := ben.text("account_id")
			again()
			code, err := w.tg.Code(phoneOfBen)
			if err != nil {
				t.Fatal(err)
			}
			res = hung("auth.signIn", account, code)
			if res.text("checkpoint.id") == "telegram.code" {
				res = s.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": account, "code": code})
			}
			if res.text("checkpoint.id") != "telegram.password" {
				t.Fatalf("after the code: %d %s", res.status, res.body)
			}
			again()
			res = hung("auth.checkPassword", account, w.pass)
			if res.status != http.StatusCreated {
				if res.text("checkpoint.id") != "telegram.password" {
					t.Fatalf("after the password: %d %s", res.status, res.body)
				}
				if len(s.api.accounts(t)) != 1 {
					t.Error("half an account is there")
				}
				s.api.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": account, "code": w.pass})
			}
			if n := len(s.api.accounts(t)); n != 2 {
				t.Errorf("%d accounts", n)
			}
			for _, phone := range []string{phoneOfMaria, phoneOfBen} {
				if devices, err := w.tg.Sessions(phone); err != nil || len(devices) != 1 {
					t.Errorf("%s lists %+v, %v", phone, devices, err)
				}
			}
		})
	}
}

// settled polls a checkpoint until it asks for something, or is at its good end.
func (a *api) settled(t *testing.T, account string) response {
	t.Helper()
	for {
		res, err := a.call(t.Context(), http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": account})
		if err != nil {
			t.Fatal(err)
		}
		waits := res.status == http.StatusAccepted && (res.text("checkpoint.kind") == "wait" || res.text("checkpoint.kind") == "display" && res.text("checkpoint.payload") == "")
		if !waits {
			return res
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("%s", res.body)
		}
	}
}
