package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestJourneyAsJSON goes the whole way with a client that speaks JSON.
func TestJourneyAsJSON(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "life.test")
	s := run(t, mail.env)
	backend := s.receive()
	email, password := mail.user(s.install, "maria@life.test")
	l := s.api.link(t, backend.links())
	v := s.visit(l)
	f, err := v.look(t.Context())
	if err != nil || f.Object != "Flow" || f.Status != "created" || f.Version != 0 || f.Step.Kind != "notice" || len(f.Step.Actions) != 1 || f.Step.Actions[0] != "start" {
		t.Fatalf("before the start: %v %s", err, f.raw)
	}
	f = v.at(t, answers{"imap.email": {"email": email}}, "imap.password")
	f = v.submit(t, f, fields{"password": s.seen.password(" wrong")})
	if !f.has("password", "wrong_password") {
		t.Fatalf("a wrong password is answered with %s", f.raw)
	}
	if got, _ := f.field("email"); got != email {
		t.Errorf("the address is %q after a wrong password", got)
	}
	if got, _ := f.field("password"); got != "" {
		t.Errorf("the password came back")
	}
	stale, err := v.answer(t.Context(), f.Version-1, "submit", fields{"password": password})
	if err != nil || stale.status != http.StatusConflict || stale.Error == nil || stale.Error.Code != "stale_version" || stale.Version != f.Version {
		t.Errorf("a stale answer: %v %d %s", err, stale.status, stale.raw)
	}
	f = v.submit(t, f, fields{"password": password})
	if !completed(f) || f.Result.State != "new" {
		t.Fatalf("in the end: %s", f.raw)
	}
	want := backend.url + "/connected?tab=mail&account_id=" + f.Result.AccountID + "&link_id=" + l.id + "#top"
	if f.Result.RedirectURL != want {
		t.Errorf("redirected to %q, not %q", f.Result.RedirectURL, want)
	}
	if n := backend.await(t, l.id, "CREATION_SUCCESS"); n.AccountID != f.Result.AccountID || n.Name != "user_1234" {
		t.Errorf("notified with %s", n.body)
	}
	res := s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil)
	if res.text("status") != "completed" || res.text("account_id") != f.Result.AccountID {
		t.Errorf("the link is %s", res.body)
	}
	res = s.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+f.Result.AccountID, nil)
	if res.text("identity") != email || res.text("status") != "OK" || res.text("connection_params.mail.imap_host") != "mail.life.test" {
		t.Errorf("the account is %s", res.body)
	}
	// Deleted, it is gone.
	s.api.must(t, http.StatusOK, http.MethodDelete, "/v1/accounts/"+f.Result.AccountID, nil)
	s.api.must(t, http.StatusNotFound, http.MethodGet, "/v1/accounts/"+f.Result.AccountID, nil)
}

// TestUsedLinkStaysUsed holds that a completed link completes no second time, and tells others nothing.
func TestUsedLinkStaysUsed(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "used.test")
	s := run(t, mail.env)
	email, password := mail.user(s.install, "maria@used.test")
	l := s.api.link(t)
	v := s.visit(l)
	first := v.mustConnect(t, email, password)

	other := s.visit(l)
	f, err := other.look(t.Context())
	if err != nil || f.Result != nil || strings.Contains(string(f.raw), "acc_") || strings.Contains(string(f.raw), email) {
		t.Fatalf("another browser is shown %s (%v)", f.raw, err)
	}
	for _, action := range []string{"start", "take_over", "submit", "cancel"} {
		f, err = other.answer(t.Context(), 1, action, nil)
		if err != nil || f.status < 400 || f.Result != nil {
			t.Errorf("%s on a used link: %v %d %s", action, err, f.status, f.raw)
		}
	}
	again, err := v.look(t.Context())
	if err != nil || !completed(again) || again.Result.AccountID != first.Result.AccountID {
		t.Errorf("its own browser is shown %s (%v)", again.raw, err)
	}
	if n := len(s.api.accounts(t)); n != 1 {
		t.Errorf("there are %d accounts", n)
	}
}

// TestThousandAnswersAtOnce sends the last answer of a flow a thousand times at the same moment.
func TestThousandAnswersAtOnce(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "thousand.test")
	s := run(t, mail.env)
	backend := s.receive()
	email, password := mail.user(s.install, "maria@thousand.test")
	l := s.api.link(t, backend.links())
	v := s.visit(l)
	f := v.at(t, answers{"imap.email": {"email": email}}, "imap.password")

	before := mail.hosts["thousand.test"].Counts()
	const n = 1000
	payload, err := json.Marshal(fields{"version": f.Version, "action": "submit", "values": fields{"password": password}})
	if err != nil {
		t.Fatal(err)
	}
	tr := transport(nil)
	tr.MaxIdleConnsPerHost = n
	clients := &http.Client{Transport: listening{s.seen, tr}, Jar: v.http.Jar, Timeout: time.Minute}
	begin, statuses := make(chan struct{}), make(chan int, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.url, bytes.NewReader(payload))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			<-begin
			res, err := send(clients, req)
			if err != nil {
				t.Error(err)
				return
			}
			statuses <- res.status
		})
	}
	close(begin)
	wg.Wait()
	close(statuses)
	counts := map[int]int{}
	for st := range statuses {
		counts[st]++
	}
	if counts[http.StatusOK]+counts[http.StatusConflict]+counts[http.StatusTooManyRequests] != n {
		t.Errorf("answers by status: %v", counts)
	}
	if f = v.settle(t, f); !completed(f) {
		if f, err = v.until(t.Context(), nil, completed); err != nil {
			t.Fatal(err)
		}
	}
	if list := s.api.accounts(t); len(list) != 1 || list[0]["id"] != f.Result.AccountID {
		t.Errorf("there are %d accounts: %v", len(list), list)
	}
	after := mail.hosts["thousand.test"].Counts()
	if logins := after.IMAPLogins - before.IMAPLogins; logins != 1 {
		t.Errorf("the password was tried %d times", logins)
	}
	backend.await(t, l.id, "CREATION_SUCCESS")
	t.Logf("answers by status: %v", counts)
}

// TestTakeOver holds that a second browser takes nothing from the first but the link.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "two.test")
	s := run(t, mail.env)
	email, password := mail.user(s.install, "maria@two.test")
	l := s.api.link(t)
	first, second := s.visit(l), s.visit(l)
	f1 := first.at(t, answers{"imap.email": {"email": email}}, "imap.password")

	f2, err := second.look(t.Context())
	if err != nil || len(f2.Step.Actions) != 1 || f2.Step.Actions[0] != "take_over" || len(f2.Step.Fields) != 0 || f2.Version != 0 ||
		f2.ID != "" || strings.Contains(string(f2.raw), email) {
		t.Fatalf("the second browser is shown %s (%v)", f2.raw, err)
	}
	// It cannot answer in the first one's place, whatever version it guesses.
	for _, version := range []int64{0, f1.Version} {
		f, err := second.answer(t.Context(), version, "submit", fields{"password": password})
		if err != nil || f.status != http.StatusConflict || completed(f) || len(f.Step.Fields) != 0 {
			t.Errorf("an answer of another browser: %v %d %s", err, f.status, f.raw)
		}
	}
	if f2, err = second.answer(t.Context(), 0, "take_over", nil); err != nil || f2.Step.ID != "imap.email" {
		t.Fatalf("after take_over: %v %s", err, f2.raw)
	}
	if got, _ := f2.field("email"); got != "" {
		t.Errorf("the second browser sees %q, which the first one typed", got)
	}
	f1, err = first.answer(t.Context(), f1.Version, "submit", fields{"password": password})
	if err != nil || f1.status < 400 || completed(f1) || len(f1.Step.Fields) != 0 {
		t.Errorf("the first browser still answers: %v %d %s", err, f1.status, f1.raw)
	}
	if f := second.mustConnect(t, email, password); f.Result.State != "new" {
		t.Errorf("in the end: %s", f.raw)
	}
	res := s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil)
	if !strings.Contains(string(res.body), "taken_over") {
		t.Errorf("the application is not told of the take-over: %s", res.body)
	}
}

// TestCanceled goes back to the application, and once more in.
func TestCanceled(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "cancel.test")
	s := run(t, mail.env)
	backend := s.receive()
	email, password := mail.user(s.install, "maria@cancel.test")
	l := s.api.link(t, backend.links())
	v := s.visit(l)
	f := v.at(t, nil, "imap.email")
	f, err := v.answer(t.Context(), f.Version, "cancel", nil)
	want := backend.url + "/not-connected?error=canceled&link_id=" + l.id
	if err != nil || f.Status != "canceled" || f.Failure == nil || f.Failure.RedirectURL != want {
		t.Fatalf("after cancel: %v %s", err, f.raw)
	}
	if n := backend.await(t, l.id, "CREATION_FAILED"); n.Error != "canceled" {
		t.Errorf("notified with %s", n.body)
	}
	if st := s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil).text("status"); st != "canceled" {
		t.Errorf("the link is %s", st)
	}
	s.visit(l).mustConnect(t, email, password)
	backend.await(t, l.id, "CREATION_SUCCESS")
	if n := len(backend.about(l.id)); n != 2 {
		t.Errorf("%d notifications came", n)
	}
}

// TestExpired holds that an expired link connects nothing and says so, to end user and application.
func TestExpired(t *testing.T) {
	t.Parallel()
	s := run(t)
	backend := s.receive()
	l := s.api.link(t, backend.links())
	s.api.must(t, http.StatusOK, http.MethodPost, "/v1/links/"+l.id+"/expire", nil)
	v := s.visit(l)
	f, err := v.look(t.Context())
	if err != nil || f.Status != "expired" || len(f.Step.Fields) != 0 {
		t.Fatalf("an expired link shows %v %s", err, f.raw)
	}
	for _, action := range []string{"start", "take_over"} {
		if f, err = v.answer(t.Context(), 0, action, nil); err != nil || f.status < 400 || f.Status != "expired" {
			t.Errorf("%s on an expired link: %v %d %s", action, err, f.status, f.raw)
		}
	}
	backend.await(t, l.id, "LINK_EXPIRED")
	if st := s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil).text("status"); st != "expired" {
		t.Errorf("the link is %s", st)
	}
}

// TestTamperedTokens holds that a link that is almost right is no link, on pages and in JSON.
func TestTamperedTokens(t *testing.T) {
	t.Parallel()
	s := run(t)
	l := s.api.link(t)
	flip := func(i int) string {
		b := []byte(l.token)
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
		return string(b)
	}
	client := &http.Client{Transport: listening{s.seen, transport(nil)}}
	for _, token := range []string{
		flip(0), flip(len(l.token) / 2), l.token[:len(l.token)-1], l.token + "A", strings.ToUpper(l.token), l.token + "%00", "..%2f" + l.token, l.id, "%", strings.Repeat("A", 5000),
	} {
		for _, path := range []string{"/c/" + token, "/c/" + token + "/flow", "/accounts/new?data=" + url.QueryEscape(token)} {
			if strings.HasSuffix(path, "/c/%") || strings.Contains(path, "%/flow") {
				continue // not a path that a client could send
			}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				req := request(t, method, s.base+path)
				res, err := send(client, req)
				if err != nil || res.status != http.StatusNotFound && res.status != http.StatusBadRequest && res.status != http.StatusUnsupportedMediaType {
					t.Errorf("%s %s: %v %d", method, path, err, res.status)
				}
				if strings.Contains(string(res.body), l.token) && !strings.Contains(path, l.token) {
					t.Errorf("%s %s tells the token", method, path)
				}
			}
		}
	}
	if st := s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil).text("status"); st != "created" {
		t.Errorf("the link is %s", st)
	}
}

// TestScannersChangeNothing holds that what mail scanners and previews do with a link leaves it as
// it was, bound and unbound.
func TestScannersChangeNothing(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "scan.test")
	s := run(t, mail.env)
	email, password := mail.user(s.install, "maria@scan.test")
	l := s.api.link(t)
	scanner := &http.Client{Transport: listening{s.seen, transport(nil)}}
	scan := func(bound bool) {
		t.Helper()
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			for _, path := range []string{"/c/" + l.token, "/c/" + l.token + "/flow", "/accounts/new?data=" + l.token, "/c/" + l.token + "?action=start&version=0"} {
				res, err := send(scanner, request(t, method, s.base+path))
				if err != nil || res.status >= 500 || bound && len(res.header["Set-Cookie"]) > 0 {
					t.Errorf("%s %s: %v %d %v", method, path, err, res.status, res.header["Set-Cookie"])
				}
			}
		}
	}
	scan(false)
	if res := s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil); res.text("status") != "created" {
		t.Errorf("scanned, the link is %s", res.body)
	}
	v := s.visit(l)
	f := v.at(t, answers{"imap.email": {"email": email}}, "imap.password")
	scan(true)
	now, err := v.look(t.Context())
	if err != nil || now.Version != f.Version || now.Step.ID != f.Step.ID {
		t.Errorf("scanned, the flow is at %s version %d (%v), not %d", now.Step.ID, now.Version, err, f.Version)
	}
	v.mustConnect(t, email, password)
	scan(true)
}
