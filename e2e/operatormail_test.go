package e2e_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// byMail begins a sign-in to the dashboard, types the code, and returns where that leads.
func (b *board) byMail(t *testing.T, mail *post, email string) string {
	t.Helper()
	asked := b.post(t, "/dashboard/sign-in/code", "email", email)
	if asked.status != http.StatusOK || !strings.HasPrefix(asked.path, "/signin/sin_") {
		t.Fatalf("asked: %d at %s", asked.status, asked.path)
	}
	code, _ := mail.next()
	done := b.post(t, asked.path, "action", "verify", "code", code)
	back := regexp.MustCompile(`href="([^"]*/dashboard/sign-in/return[^"]*)"`).FindStringSubmatch(done.body)
	if back == nil {
		t.Fatalf("the code leads nowhere: %d at %s\n%s", done.status, done.path, done.body)
	}
	return html.UnescapeString(back[1])
}

// TestOperatorsByMail: an operator comes in by a code; a stranger is answered alike and gets no mail; what
// the code leads to is of no use in another browser, and none twice; invitations go by mail.
func TestOperatorsByMail(t *testing.T) {
	t.Parallel()
	s, mail := withMail(t)
	a := s.board(t)
	a.post(t, s.firstURL(t), "email", "ada@example.org", "name", "Ada")

	// The stranger asks first: were a mail sent, it would be the first to come.
	eve := s.board(t).post(t, "/dashboard/sign-in/code", "email", "eve@example.org")
	b := s.board(t)
	back := b.byMail(t, mail, "ADA@example.org")
	if eve.status != http.StatusOK || !strings.HasPrefix(eve.path, "/signin/sin_") {
		t.Errorf("the stranger sees that they are one: %d at %s", eve.status, eve.path)
	}
	if got := b.get(t, back); got.status != http.StatusOK || !strings.Contains(got.body, "Go on to the dashboard") {
		t.Fatalf("back: %d %s", got.status, got.body)
	}
	if got := b.get(t, "/dashboard"); !strings.HasPrefix(got.path, "/dashboard/sign-in") {
		t.Errorf("a GET has signed somebody in: at %s", got.path)
	}
	grant := regexp.MustCompile(`name="code" value="([^"]*)"`).FindStringSubmatch(b.get(t, back).body)[1]
	if got := b.post(t, "/dashboard/sign-in/return", "code", grant); got.status != http.StatusOK || !strings.Contains(got.body, "Overview") {
		t.Errorf("not in: %d at %s", got.status, got.path)
	}
	if got := s.board(t).post(t, "/dashboard/sign-in/return", "code", grant); got.status < 400 {
		t.Errorf("a second time: %d at %s", got.status, got.path)
	}

	// In another browser, it is refused: else a link could sign its reader in as somebody else.
	c := s.board(t)
	stolen := regexp.MustCompile(`name="code" value="([^"]*)"`).FindStringSubmatch(c.get(t, c.byMail(t, mail, "ada@example.org")).body)[1]
	if got := s.board(t).post(t, "/dashboard/sign-in/return", "code", stolen); got.status != http.StatusForbidden {
		t.Errorf("in another browser: %d at %s", got.status, got.path)
	}

	app := regexp.MustCompile(`/dashboard/apps/app_\w+`).FindString(a.get(t, "/dashboard/apps").body)
	before := len(mail.host.Messages())
	if got := a.post(t, app+"/members/new", "email", "bo@example.org", "role", "viewer"); !strings.Contains(got.body, "The invitation is on its way.") {
		t.Fatalf("invited: %d at %s", got.status, got.path)
	}
	for deadline := time.After(30 * time.Second); len(mail.host.Messages()) == before; {
		select {
		case <-mail.host.Arrived():
		case <-deadline:
			t.Fatal("no invitation came")
		}
	}
	raw := strings.ReplaceAll(string(mail.host.Messages()[before].Raw), "=\r\n", "")
	door := regexp.MustCompile(`/dashboard/enter/[A-Za-z0-9_-]{43}`).FindString(raw)
	if door == "" || !strings.Contains(raw, "Ada") {
		t.Fatalf("no link, or no inviter, in the mail:\n%s", raw)
	}
	bo := s.board(t)
	if got := bo.post(t, door, "name", "Bo"); got.status != http.StatusOK {
		t.Errorf("by the invitation: %d", got.status)
	}
	if got := bo.get(t, "/dashboard"); got.status != http.StatusOK || !strings.Contains(got.body, "Overview") {
		t.Errorf("the invited: %d at %s", got.status, got.path)
	}
}
