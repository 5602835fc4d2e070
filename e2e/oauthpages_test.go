package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"latchkey/e2e/browser"
	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/connector/oauthflow/idp"
)

// trouble is what goes wrong on one way to a provider and back, and the page that it ends on.
type trouble struct {
	page string
	idp  func(*idp.Knobs)
	// imap and smtp are what the mailbox's servers do.
	imap, smtp mailhost.Fault
	// says is part of what the page says.
	says string
}

func authorizeError(code, description string) func(*idp.Knobs) {
	return func(k *idp.Knobs) { k.AuthorizeError, k.AuthorizeDescription = code, description }
}

// canary is what a provider says in its own words: no page shows it.
const canary = "raw-words-of-the-provider"

// troubles are those of a provider, each with a page of its own.
func troubles(kind idp.Kind) []trouble {
	off := mailhost.Fault{Kind: mailhost.RefuseAfter, Text: "User is authenticated but not connected. " + canary}
	noSMTP := mailhost.Fault{Kind: mailhost.Refuse, Code: 535, Text: "5.7.139 SmtpClientAuthentication is disabled for the Mailbox. " + canary}
	user := func(name string) func(*idp.Knobs) { return func(k *idp.Knobs) { k.User = name } }
	refused := func(code string) func(*idp.Knobs) {
		return func(k *idp.Knobs) {
			k.TokenRefusal = &idp.Refusal{Status: http.StatusBadRequest, Code: code, Description: canary}
		}
	}
	outage := func(k *idp.Knobs) { k.TokenRefusal = &idp.Refusal{Status: http.StatusServiceUnavailable} }
	mail := []trouble{
		{page: "imap_off", imap: off, says: "IMAP is off"},
		{page: "smtp_off", smtp: noSMTP, says: "sending is off"},
		{page: "mail_off", imap: off, smtp: noSMTP, says: "closed to apps"},
		{page: "rejected", imap: mailhost.Fault{Kind: mailhost.Refuse, Text: "no " + canary}, says: "did not let us in"},
		{page: "offline", idp: func(k *idp.Knobs) { k.NoRefreshToken = true }, says: "stay connected"},
	}
	switch kind {
	case idp.Google:
		return append(mail, []trouble{
			{page: "blocked", idp: authorizeError("admin_policy_enforced", canary), says: "IT department"},
			{page: "browser", idp: authorizeError("disallowed_useragent", canary), says: "usual browser"},
			{page: "wrong_type", idp: authorizeError("org_internal", canary), says: "one organisation only"},
			{page: "again", idp: authorizeError("login_required", canary), says: "once more"},
			{page: "unavailable", idp: outage, says: "does not answer"},
		}...)
	case idp.Microsoft:
		return append(mail, []trouble{
			{page: "cancelled", idp: authorizeError("access_denied", "AADSTS65004: "+canary), says: "You stopped"},
			{page: "not_assigned", idp: authorizeError("access_denied", "AADSTS50105: "+canary), says: "not on the list"},
			{page: "blocked", idp: authorizeError("access_denied", "AADSTS53003: "+canary), says: "IT department"},
			{page: "wrong_type", idp: authorizeError("invalid_request", "AADSTS50020: "+canary), says: "work or school"},
			{page: "again", idp: refused("interaction_required"), says: "once more"},
			{page: "unavailable", idp: outage, says: "does not answer"},
		}...)
	case idp.LinkedIn:
		return []trouble{
			{page: "cancelled", idp: authorizeError("user_cancelled_login", canary), says: "You stopped"},
			{page: "again", idp: refused("invalid_grant"), says: "once more"},
			{page: "unavailable", idp: func(k *idp.Knobs) { k.TokenHuge = true }, says: "LinkedIn does not answer"},
		}
	default:
		return []trouble{
			{page: "cancelled", idp: func(k *idp.Knobs) { k.AuthorizeError, k.AuthorizeReason = "access_denied", "user_denied" }, says: "You stopped"},
			{page: "scopes", idp: func(k *idp.Knobs) { k.Untick = []string{"instagram_business_manage_messages"} }, says: "essages"},
			{page: "wrong_type", idp: user("ben.private"), says: "professional"},
			{page: "unavailable", idp: func(k *idp.Knobs) { k.TokenLies = true }, says: "Instagram does not answer"},
		}
	}
}

// TestOAuthTroubles has one person meet all the troubles of a provider, on one link, and looks at each
// page. After all that the same link still connects.
func TestOAuthTroubles(t *testing.T) {
	t.Parallel()
	for _, kind := range []idp.Kind{idp.Google, idp.Microsoft, idp.LinkedIn, idp.Instagram} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newOAuth(t, kind)
			p := w.person(t, string(kind)+"-trouble", true)
			l := w.link(t, quick())
			press := func() {
				p.Do(chromedp.Navigate(l.url))
				p.at("link.start")
				p.press()
			}
			for _, c := range troubles(kind) {
				w.suffer(c)
				press()
				p.at(w.step + "." + c.page)
				p.says(c.says)
				p.look(c.page)
				if c.page == "browser" && browser.Eval[string](p.Tab, `document.getElementById("code").textContent`) != l.url {
					t.Error("the address to open elsewhere is not the link's")
				}
				press = p.onward
			}
			if end, ok := lastTrouble()[kind]; ok {
				w.suffer(end)
				press()
				p.at("flow.failed")
				p.says(end.says)
				p.look(end.page)
				w.backend.await(t, l.id, "CREATION_FAILED")
				press = p.press
			}
			w.suffer(trouble{})
			press()
			p.connected(l, "CREATION_SUCCESS")
			p.console()
		})
	}
}

// lastTrouble is one after which a try has failed: nothing that the end user could mend.
func lastTrouble() map[idp.Kind]trouble {
	ourClient := trouble{page: "our-client", idp: func(k *idp.Knobs) { k.SecretExpired = true }, says: "not set up here"}
	forged := trouble{page: "forged", idp: func(k *idp.Knobs) { k.WrongAudience = true }, says: "did not accept the sign-in"}
	return map[idp.Kind]trouble{idp.Google: ourClient, idp.Microsoft: forged, idp.LinkedIn: ourClient}
}

// suffer has the trouble happen from now on; nobody is asked at the provider.
func (w *oauthWorld) suffer(c trouble) {
	w.idp.Turn(func(k *idp.Knobs) {
		*k = idp.Knobs{Auto: true}
		if c.idp != nil {
			c.idp(k)
		}
	})
	if w.host != nil {
		w.host.Misbehave(mailhost.IMAPS, c.imap)
		w.host.Misbehave(mailhost.Submission, c.smtp)
	}
}

// says checks the words of a page, and that none are the provider's own.
func (p *person) says(want string) {
	p.t.Helper()
	got := p.text()
	if !strings.Contains(got, want) {
		p.t.Errorf("the page says %q, nothing of %q", got, want)
	}
	for _, never := range []string{canary, "AADSTS", "invalid_", "access_denied"} {
		if strings.Contains(got, never) {
			p.t.Errorf("the page says %q: %q", never, got)
		}
	}
}

// onward goes to the provider once more.
func (p *person) onward() {
	p.t.Helper()
	p.Do(chromedp.Click(chromedp.CSS(`main button[value=other], main .btn[value=submit]`)))
}
