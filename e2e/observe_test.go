package e2e_test

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/pgtest"
)

// status asks one path, and is 0 where nobody answers.
func (s *server) status(t *testing.T, path string) int {
	t.Helper()
	res, err := send(s.api.http, request(t, http.MethodGet, s.base+path))
	if err != nil {
		return 0
	}
	return res.status
}

// TestReadyMeansReady stops a real PostgreSQL under a server: it lives, and says that it is not ready;
// when the database is back, so is the server.
func TestReadyMeansReady(t *testing.T) {
	t.Parallel()
	db := pgtest.NewOwn(t)
	s := run(t, map[string]string{"LATCHKEY_DATABASE_URL": db.URL, "LATCHKEY_MASTER_KEY": random64(32)})
	s.healthy(t)
	db.Stop()
	eventually(t, time.Minute, "not ready", func() bool { return s.status(t, "/readyz") == http.StatusServiceUnavailable })
	if got := s.status(t, "/healthz"); got != http.StatusOK {
		t.Errorf("/healthz is %d without a database", got)
	}
	if _, err := s.api.call(t.Context(), http.MethodGet, "/v1/accounts", nil); err != nil {
		t.Errorf("without a database, a request is not answered: %v", err)
	}
	db.Start()
	eventually(t, time.Minute, "ready again", func() bool { return s.status(t, "/readyz") == http.StatusOK })
	s.api.link(t)
}

// TestStopsInOrder holds that a server that was told to stop says so first, still answers, ends what is
// in flight, and that a second signal does not wait.
func TestStopsInOrder(t *testing.T) {
	t.Parallel()
	s := run(t, map[string]string{"LATCHKEY_DRAIN_TIME": "2s"})
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "stopping", func() bool { return s.status(t, "/readyz") == http.StatusServiceUnavailable })
	if got := s.status(t, "/healthz"); got != http.StatusOK {
		t.Errorf("/healthz is %d while the server stops", got)
	}
	s.api.link(t) // requests are still taken
	// One that is in flight when the listener closes is answered.
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST /v1/links HTTP/1.1\r\nHost: " + s.addr + "\r\nX-API-KEY: " + s.key + "\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "no new requests", func() bool { return s.status(t, "/healthz") == 0 })
	if _, err := conn.Write([]byte(`{"providers":["IMAP"]}`)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 201 ") {
		t.Errorf("the request in flight: %v %q", err, buf[:n])
	}
	<-s.exited
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the exit status is %d", code)
	}

	slow := run(t, map[string]string{"LATCHKEY_DRAIN_TIME": "5m"})
	for range 2 {
		if err := slow.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, "stopping or gone", func() bool { return slow.status(t, "/readyz") != http.StatusOK })
	}
	select {
	case <-slow.exited:
	case <-time.After(10 * time.Second):
		t.Error("a second signal does not end the server")
	}
}

// TestMetricsOfAJourney reads what Prometheus would, after a mailbox was connected. The witness searches
// the page for secrets as it does all others.
func TestMetricsOfAJourney(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	mail := newMail(t, "counted.test")
	s := run(t, mail.env, map[string]string{"LATCHKEY_METRICS_LISTEN": addr})
	backend := s.receive()
	email, password := mail.user(s.install, "maria@counted.test")
	l := s.api.link(t, backend.links())
	done := s.visit(l).mustConnect(t, email, password)
	backend.await(t, l.id, "CREATION_SUCCESS")
	s.api.check(t, done.Result.AccountID, "OK")
	var page string
	scrape := func() string {
		req := request(t, http.MethodGet, "http://"+addr+"/metrics")
		res, err := send(s.api.http, req)
		if err != nil || res.status != http.StatusOK {
			t.Fatalf("%v %d", err, res.status)
		}
		return string(res.body)
	}
	eventually(t, time.Minute, "the delivery and a job are counted", func() bool {
		page = scrape()
		return strings.Contains(page, `latchkey_deliveries_total{outcome="delivered"} 1`) && strings.Contains(page, `latchkey_jobs_total{kind="funnel",outcome="done"}`)
	})
	for _, want := range []string{
		`latchkey_links_total\{outcome="created"\} 1`, `latchkey_links_total\{outcome="completed"\} 1`,
		`latchkey_flows_total\{outcome="completed",provider="IMAP"\} 1`,
		`latchkey_flow_steps_total\{outcome="reached",provider="IMAP",step="imap\.password"\} 1`,
		`latchkey_checks_total\{provider="IMAP",status="OK"\} 1`,
		`latchkey_accounts\{provider="IMAP",status="OK"\} 1`,
		`latchkey_http_requests_total\{route="POST /v1/[a-z/]*link[s]?",status="201"\} 1`,
		`latchkey_jobs_total\{kind="funnel",outcome="done"\} [1-9]`,
		`latchkey_egress_requests_total\{outcome="answered",purpose="webhook"\} 1`,
		`latchkey_work_seconds_count\{outcome="done",provider="IMAP"\} [1-9]`,
		`latchkey_seals_total\{operation="open",outcome="ok"\} [1-9]`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(page) {
			t.Errorf("there is no %s", want)
		}
	}
	for _, secret := range []string{email, "counted.test", l.id, done.Result.AccountID, s.key} {
		if strings.Contains(page, secret) {
			t.Errorf("%q is on the page", secret)
		}
	}
	if got := s.status(t, "/metrics"); got != http.StatusNotFound {
		t.Errorf("/metrics is %d on the public listener", got)
	}
	if !regexp.MustCompile(`msg=job kind=funnel outcome=done attempt=1 duration_ms=`).MatchString(s.log.String()) {
		t.Error("the job has no line in the log")
	}
}

// TestFunnelOfAJourney waits for what was done to be counted.
func TestFunnelOfAJourney(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "funnel.test")
	s := run(t, mail.env)
	email, password := mail.user(s.install, "maria@funnel.test")
	s.api.link(t) // nobody comes
	v := s.visit(s.api.link(t))
	f := v.at(t, answers{"imap.email": {"email": email}}, "imap.password")
	if f = v.submit(t, f, fields{"password": s.seen.password(" wrong")}); !f.has("password", "wrong_password") {
		t.Fatalf("a wrong password: %s", f.raw)
	}
	if f = v.submit(t, f, fields{"password": password}); !completed(f) {
		t.Fatalf("in the end: %s", f.raw)
	}
	var res response
	eventually(t, 2*time.Minute, "the journey is counted", func() bool {
		res = s.api.must(t, http.StatusOK, http.MethodGet, "/v1/funnel", nil)
		return res.text("connected") == "1" && res.text("created") == "2"
	})
	for path, want := range map[string]string{
		"opened": "1", "started": "1", "provider_chosen": "1", "expired": "0", "providers.0.provider": "IMAP", "providers.0.connected": "1",
	} {
		if got := res.text(path); got != want {
			t.Errorf("%s is %q, not %q: %s", path, got, want, res.body)
		}
	}
	if !strings.Contains(string(res.body), `{"kind":"step_failed","step":"imap.password","code":"wrong_password","links":1,"times":1}`) {
		t.Errorf("the wrong password is not counted: %s", res.body)
	}
}

// TestAuditOnTheCommandLine holds that commands are on record, with whoever ran them, beside what was
// done with keys.
func TestAuditOnTheCommandLine(t *testing.T) {
	t.Parallel()
	s := run(t)
	s.api.link(t)
	made := s.command("app", "create", "--name", "Audited", "--json")
	if made.code != 0 {
		t.Fatal(made.errOut)
	}
	s.seen.token(dig([]byte(made.out), "key"))
	s.seen.token(strings.TrimPrefix(dig([]byte(made.out), "webhook_secret"), "whsec_"))
	app := dig([]byte(made.out), "id")
	if got := s.command("key", "delete", "--app", "Audited", dig([]byte(made.out), "key_id")); got.code != 0 {
		t.Fatal(got.errOut)
	}
	if got := s.command("key", "delete", "--app", "Audited", "key_none"); got.code != 1 {
		t.Fatalf("an unknown key: %d", got.code)
	}
	var trail command
	eventually(t, time.Minute, "the link is counted", func() bool {
		trail = s.command("audit", "--json")
		return strings.Contains(trail.out, `"create_link"`)
	})
	for _, want := range []string{`"action": "create_application"`, `"target": "` + app + `"`, `"action": "delete_key"`, `"outcome": "failed"`, `"actor_kind": "cli"`, `"actor_kind": "key"`} {
		if !strings.Contains(trail.out, want) {
			t.Errorf("%s is not in the trail: %s", want, trail.out)
		}
	}
	invited := s.command("operator", "invite", "ada@example.org", "--json")
	if invited.code != 0 {
		t.Fatal(invited.errOut)
	}
	url := dig([]byte(invited.out), "url")
	s.seen.token(url[strings.LastIndexByte(url, '/')+1:])
	if got := s.command("operator", "remove", "ada@example.org"); got.code != 0 {
		t.Fatal(got.errOut)
	}
	if got := s.command("operator", "remove", "ada@example.org"); got.code != 1 {
		t.Fatalf("an unknown operator: %d", got.code)
	}
	who := dig([]byte(invited.out), "operator_id")
	operators := s.command("audit", "--json").out
	for action, n := range map[string]int{"invite_operator": 1, "remove_operator": 2} {
		if strings.Count(operators, `"action": "`+action+`"`) != n {
			t.Errorf("%s: %s", action, operators)
		}
	}
	if strings.Count(operators, `"target": "`+who+`"`) != 2 || strings.Contains(operators, "ada@example.org") {
		t.Errorf("the operator's lines: %s", operators)
	}
	if own := s.command("audit", "--app", "Audited", "--json"); strings.Contains(own.out, "create_link") || strings.Count(own.out, "AuditEntry") != 3 {
		t.Errorf("the application's own trail: %s", own.out)
	}
	if text := s.command("audit"); text.code != 0 || !strings.Contains(text.out, "delete_key") {
		t.Errorf("as text: %d %s", text.code, text.out)
	}
}
