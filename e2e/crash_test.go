package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowd is many end users on their way at once, each with a link of their own.
type crowd struct {
	in      *install
	backend *receiver
	links   []link
	ends    []flow
	// done counts the journeys that have ended.
	done atomic.Int64
}

// domains names enough mail hosts for n mailboxes: one host takes so many logins of strangers in ten
// minutes, and no more.
func domains(prefix string, n int) []string {
	const perHost = 50
	var out []string
	for i := 0; i*perHost < n; i++ {
		out = append(out, fmt.Sprintf("%s%d.test", prefix, i))
	}
	return out
}

// travel sends n end users through the wizard. Each sees errors as people do: by trying again if
// patient, by giving up if not. dial says which replica each speaks to.
func (c *crowd) travel(ctx context.Context, mail *mailWorld, names []string, n int, patient bool, a *api, dial func() string) error {
	c.links, c.ends = make([]link, n), make([]flow, n)
	for i := range n {
		mail.user(c.in, address(names, i))
	}
	fails := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer c.done.Add(1)
			fails[i] = c.one(ctx, i, address(names, i), patient, a, dial)
		})
	}
	wg.Wait()
	return errors.Join(fails...)
}

func address(names []string, i int) string {
	return fmt.Sprintf("user%d@%s", i, names[i%len(names)])
}

func (c *crowd) one(ctx context.Context, i int, email string, patient bool, a *api, dial func() string) error {
	l, err := c.ask(ctx, i, patient, a)
	if err != nil {
		return fmt.Errorf("visitor %d has no link: %w", i, err)
	}
	v := c.in.visit(l, dial)
	v.patient = patient
	defer v.http.CloseIdleConnections()
	f, err := v.connect(ctx, email, c.in.seen.password(""))
	if err != nil {
		return fmt.Errorf("visitor %d: %w", i, err)
	}
	c.links[i], c.ends[i] = l, f
	return nil
}

// ask makes the backend's call. A backend that does not know whether it was heard asks again with
// the same idempotency key.
func (c *crowd) ask(ctx context.Context, i int, patient bool, a *api) (link, error) {
	body := fields{"type": "create", "providers": "IMAP", "name": fmt.Sprint("user_", i)}
	for k, v := range c.backend.links() {
		body[k] = v
	}
	for {
		res, err := a.call(ctx, http.MethodPost, "/v1/hosted/accounts/link", body, "Idempotency-Key", fmt.Sprint("visitor-", i))
		if err == nil && res.status == http.StatusCreated {
			return a.linkOf(res)
		}
		if !patient || ctx.Err() != nil {
			return link{}, fmt.Errorf("%d %s: %w", res.status, res.body, errors.Join(err, ctx.Err()))
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return link{}, err
		}
	}
}

// account checks that nothing was lost and nothing doubled.
func (c *crowd) account(t *testing.T, a *api, names []string, notified time.Duration) {
	t.Helper()
	byID, byIdentity := map[string]map[string]any{}, map[string]int{}
	for _, acc := range a.accounts(t) {
		byID[fmt.Sprint(acc["id"])] = acc
		byIdentity[fmt.Sprint(acc["identity"])]++
	}
	if len(byID) != len(c.links) {
		t.Errorf("there are %d accounts of %d visitors", len(byID), len(c.links))
	}
	ctx, cancel := context.WithTimeout(t.Context(), notified)
	defer cancel()
	for i, l := range c.links {
		want := address(names, i)
		acc := byID[c.ends[i].Result.AccountID]
		if acc == nil || acc["identity"] != want || byIdentity[want] != 1 {
			t.Errorf("visitor %d was told that %s is connected as %s: %v, %d times", i, want, c.ends[i].Result.AccountID, acc, byIdentity[want])
		}
		res := a.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil)
		if res.text("status") != "completed" || res.text("account_id") != c.ends[i].Result.AccountID {
			t.Errorf("visitor %d's link is %s", i, res.body)
		}
		if n, err := c.backend.wait(ctx, l.id, "CREATION_SUCCESS"); err != nil {
			t.Errorf("visitor %d: %v", i, err)
		} else if n.AccountID != c.ends[i].Result.AccountID || n.Name != fmt.Sprint("user_", i) {
			t.Errorf("visitor %d: notified with %s", i, n.body)
		}
		ids := map[string]bool{}
		for _, n := range c.backend.about(l.id) {
			ids[n.id] = true
			if n.Status != "CREATION_SUCCESS" {
				t.Errorf("visitor %d: notified with %s", i, n.body)
			}
		}
		if len(ids) > 1 {
			t.Errorf("visitor %d: one event came under the ids %v", i, ids)
		}
	}
	for _, state := range []string{"created", "in_progress", "failed", "canceled", "expired"} {
		if res := a.must(t, http.StatusOK, http.MethodGet, "/v1/links?status="+state, nil); res.text("items") != "[]" {
			t.Errorf("links are left %s: %s", state, res.body)
		}
	}
}

// untilDone waits until so many journeys have ended.
func (c *crowd) untilDone(t *testing.T, n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), journeyTime)
	defer cancel()
	for c.done.Load() < n {
		if sleep(ctx, 5*time.Millisecond) != nil {
			t.Errorf("%d of %d journeys have ended", c.done.Load(), n)
			return
		}
	}
}

// rescue is how long a notification may take whose delivery a crash interrupted.
const rescue = 2 * time.Minute

// TestKilledDuringJourneys kills the server, again and again, under 200 end users.
func TestKilledDuringJourneys(t *testing.T) {
	t.Parallel()
	const n = 200
	names := domains("kill", n)
	mail := newMail(t, names...)
	s := run(t, mail.env)
	c := &crowd{in: s.install, backend: s.receive()}
	travelled := make(chan error, 1)
	go func() { travelled <- c.travel(t.Context(), mail, names, n, true, s.api, nil) }()
	for _, at := range []int64{1, n / 5, n / 2} {
		c.untilDone(t, at)
		s.kill()
		s = s.install.start()
	}
	if err := <-travelled; err != nil {
		t.Fatal(err)
	}
	c.account(t, s.api, names, rescue)
	if code, _ := s.stop(); code != 0 {
		t.Errorf("after all that, the server ends with status %d", code)
	}
}

// TestReplicaKilledDuringJourneys has two replicas on one PostgreSQL, and kills one of them.
func TestReplicaKilledDuringJourneys(t *testing.T) {
	t.Parallel()
	const n = 100
	names := domains("replica", n)
	mail := newMail(t, names...)
	in := newInstall(t, mail.env)
	in.postgres()
	a := in.start()
	second := freeAddr(t)
	b := in.start(map[string]string{"LATCHKEY_LISTEN": second})

	// Every connection goes to any replica that is alive, as a balancer would have it.
	var dead atomic.Bool
	balance := func() string {
		if dead.Load() || rand.IntN(2) == 0 {
			return second
		}
		return a.addr
	}
	backend := newAPI(in, a.base)
	backend.http.Transport = listening{in.seen, everyTime(transport(balance))}
	c := &crowd{in: in, backend: in.receive()}
	travelled := make(chan error, 1)
	go func() { travelled <- c.travel(t.Context(), mail, names, n, true, backend, balance) }()
	c.untilDone(t, n/5)
	a.kill()
	dead.Store(true)
	if err := <-travelled; err != nil {
		t.Fatal(err)
	}
	c.account(t, backend, names, rescue)
	if code, _ := b.stop(); code != 0 {
		t.Errorf("the second replica ends with status %d", code)
	}
}

// everyTime has a new connection for every request.
func everyTime(tr *http.Transport) *http.Transport {
	tr.DisableKeepAlives = true
	return tr
}

// TestFiveHundredSideBySide lets 500 end users connect at once. None sees an error. It has the
// machine for itself: looking up mail settings has a budget of seconds.
func TestFiveHundredSideBySide(t *testing.T) {
	const n = 500
	names := domains("load", n)
	mail := newMail(t, names...)
	s := run(t, mail.env)
	c := &crowd{in: s.install, backend: s.receive()}
	began := time.Now()
	if err := c.travel(t.Context(), mail, names, n, false, s.api, nil); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d journeys in %s", n, time.Since(began).Round(time.Millisecond))
	c.account(t, s.api, names, time.Minute)
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "level=ERROR") {
			t.Errorf("the log has an error: %s", line)
		}
	}
}
