package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"latchkey/internal/mailer/mailertest"
)

// lanes is how many connections one process has to one mail host: so many mails are under way at once.
const lanes = 8

// TestKilledWhileSending kills the server twice in the middle of a burst of login mails. Every mail that was
// answered for comes; at most those that were under way come twice, and then they are the same mail.
func TestKilledWhileSending(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			host, err := mailertest.Start(mailertest.Config{Delay: 5 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = host.Close() })
			ca := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(ca, host.CAPEM(), 0o600); err != nil {
				t.Fatal(err)
			}
			in := newInstall(t, map[string]string{
				"LATCHKEY_SMTP_URL": "smtp+starttls://localhost:" + strconv.Itoa(host.Port()), "LATCHKEY_SMTP_FROM": "Acme <login@acme.test>", "LATCHKEY_CA_FILE": ca,
			})
			if engine == "postgres" {
				in.postgres()
			}
			const burst = 150
			s := in.start()
			for round := range 2 {
				sent := len(host.Messages())
				var wg sync.WaitGroup
				for n := range burst {
					wg.Go(func() {
						res, err := s.api.call(t.Context(), http.MethodPost, "/v1/signins", fields{"email": fmt.Sprintf("u%d-%d@example.com", round, n)})
						if err != nil || res.status != http.StatusAccepted {
							t.Errorf("asked: %d %v", res.status, err)
						}
					})
				}
				wg.Wait()
				awaitMails(t, host, func(all []mailertest.Message) bool { return len(all) >= sent+burst/5 })
				s.kill()
				if n := len(host.Messages()); n >= sent+burst {
					t.Errorf("the burst was over when the server was killed: %d", n)
				}
				s = in.start()
			}
			awaitMails(t, host, func(all []mailertest.Message) bool { return len(byRecipient(all)) == 2*burst })
			if code, _ := s.stop(); code != 0 {
				t.Errorf("the server ends with status %d", code)
			}
			doubled := 0
			for to, mails := range byRecipient(host.Messages()) {
				doubled += len(mails) - 1
				for _, m := range mails[1:] {
					if messageID(t, m) != messageID(t, mails[0]) {
						t.Errorf("%s got two mails, not one twice", to)
					}
				}
			}
			if doubled > 2*lanes {
				t.Errorf("%d mails were doubled by two kills", doubled)
			}
			t.Logf("%d mails, %d of them twice", 2*burst, doubled)
		})
	}
}

func byRecipient(all []mailertest.Message) map[string][]mailertest.Message {
	out := map[string][]mailertest.Message{}
	for _, m := range all {
		out[m.To] = append(out[m.To], m)
	}
	return out
}

func messageID(t *testing.T, m mailertest.Message) string {
	t.Helper()
	parsed, err := m.Parse()
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Header.Get("Message-Id")
}

// awaitMails waits until the mails that a host has taken are as they should be.
func awaitMails(t *testing.T, host *mailertest.Server, enough func([]mailertest.Message) bool) {
	t.Helper()
	deadline := time.After(rescue)
	for {
		arrived := host.Arrived()
		all := host.Messages()
		if enough(all) {
			return
		}
		select {
		case <-arrived:
		case <-deadline:
			t.Fatalf("only %d mails came, to %d", len(all), len(byRecipient(all)))
		}
	}
}
