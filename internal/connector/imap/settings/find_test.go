package settings_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/connector/imap/settings"
	"latchkey/internal/connector/login"
)

const budget = 3 * time.Second

func want(t *testing.T, side string, f *settings.Found, s login.Server, user string, source settings.Source) {
	t.Helper()
	if f == nil {
		t.Errorf("%s: nothing found", side)
		return
	}
	if f.Server != s || f.User != user || f.Source != source {
		t.Errorf("%s: %+v, want %+v %s from %s", side, *f, s, user, source)
	}
}

func tlsAt(host string, port int) login.Server {
	return login.Server{Host: host, Port: port, Encryption: login.TLS}
}

func TestSRV(t *testing.T) {
	l := newLab(t, budget, "off", func(h *mailhost.Host) []string { return h.Zone("demo.test", "mail.demo.test") })
	r := l.find("maria@demo.test")
	want(t, "imap", r.IMAP, tlsAt("mail.demo.test", l.host.Port(mailhost.IMAPS)), "maria@demo.test", settings.FromSRV)
	want(t, "smtp", r.SMTP, tlsAt("mail.demo.test", l.host.Port(mailhost.SMTPS)), "maria@demo.test", settings.FromSRV)
}

func TestSRVSaysNone(t *testing.T) {
	l := newLab(t, budget, "off", func(h *mailhost.Host) []string {
		return append(names("mail.demo.test", "smtp.demo.test"),
			fmt.Sprintf("_imaps._tcp.demo.test. 60 IN SRV 0 1 %d mail.demo.test.", h.Port(mailhost.IMAPS)),
			"_submissions._tcp.demo.test. 60 IN SRV 0 0 0 .", "_submission._tcp.demo.test. 60 IN SRV 0 0 0 .")
	})
	r := l.find("maria@demo.test")
	if r.SMTP != nil || !r.NoSMTP || r.NoIMAP {
		t.Errorf("%+v: a target of . must be believed", r)
	}
	if n := l.saw(&l.dialed, "smtp.demo.test"); n > 0 {
		t.Errorf("smtp.demo.test was knocked at %d times all the same", n)
	}
}

// TestMixed: each side comes from the best source that knows it.
func TestMixed(t *testing.T) {
	l := newLab(t, budget, "off", func(h *mailhost.Host) []string {
		return append(names("mail.demo.test", "autoconfig.demo.test"),
			fmt.Sprintf("_submissions._tcp.demo.test. 60 IN SRV 0 1 %d mail.demo.test.", h.Port(mailhost.SMTPS)))
	})
	l.page("https://autoconfig.demo.test/mail/config-v1.1.xml", document(server("imap", "mail.demo.test", "993", "SSL", "%EMAILLOCALPART%")))
	r := l.find("maria@demo.test")
	want(t, "imap", r.IMAP, tlsAt("mail.demo.test", 993), "maria", settings.FromAutoconfig)
	want(t, "smtp", r.SMTP, tlsAt("mail.demo.test", l.host.Port(mailhost.SMTPS)), "maria@demo.test", settings.FromSRV)
}

func TestAutoconfigPlaceholdersAndOrder(t *testing.T) {
	l := newLab(t, budget, "off", func(*mailhost.Host) []string {
		return names("mail.demo.test", "smtp.demo.test", "demo.test", "mail.maria.demo.test")
	})
	l.page("https://demo.test/.well-known/autoconfig/mail/config-v1.1.xml", document(
		server("pop3", "pop.demo.test", "995", "SSL", "%EMAILADDRESS%"),
		server("imap", "mail.%EMAILDOMAIN%", "143", "STARTTLS", "%EMAILADDRESS%"),
		server("imap", "mail.%EMAILLOCALPART%.%EMAILDOMAIN%", "993", "SSL", "%EMAILLOCALPART%.%EMAILDOMAIN%"),
		server("smtp", "smtp.%EMAILDOMAIN%", "587", "STARTTLS", "%EMAILADDRESS%"),
		server("smtp", "smtp.%EMAILDOMAIN%", "25", "plain", "%EMAILADDRESS%"),
	))
	r := l.find("maria@demo.test")
	want(t, "imap", r.IMAP, tlsAt("mail.maria.demo.test", 993), "maria.demo.test", settings.FromAutoconfig)
	want(t, "smtp", r.SMTP, login.Server{Host: "smtp.demo.test", Port: 587, Encryption: login.STARTTLS}, "maria@demo.test", settings.FromAutoconfig)
	// A host made of one address is not remembered for another.
	if r := l.find("bob@demo.test"); r.IMAP == nil || r.IMAP.Server.Host != "mail.demo.test" {
		t.Errorf("bob: %+v", r.IMAP)
	}
}

func TestISPDB(t *testing.T) {
	zone := func(*mailhost.Host) []string {
		return append(names("db.hoster.test", "mail.hoster.test", "mx1.hoster.test"), "small.test. 60 IN MX 10 mx1.hoster.test.")
	}
	t.Run("domain", func(t *testing.T) {
		l := newLab(t, budget, "https://db.hoster.test/v1.1", zone)
		l.page("https://db.hoster.test/v1.1/small.test", document(
			server("imap", "mail.hoster.test", "993", "SSL", "%EMAILADDRESS%"), server("smtp", "mail.hoster.test", "465", "SSL", "%EMAILADDRESS%")))
		r := l.find("maria@small.test")
		want(t, "imap", r.IMAP, tlsAt("mail.hoster.test", 993), "maria@small.test", settings.FromISPDB)
		want(t, "smtp", r.SMTP, tlsAt("mail.hoster.test", 465), "maria@small.test", settings.FromISPDB)
	})
	t.Run("mail exchanger", func(t *testing.T) {
		l := newLab(t, budget, "https://db.hoster.test/v1.1/", zone)
		l.page("https://db.hoster.test/v1.1/hoster.test", document(
			server("imap", "mail.hoster.test", "993", "SSL", "%EMAILADDRESS%"), server("smtp", "mail.hoster.test", "465", "SSL", "%EMAILADDRESS%")))
		r := l.find("maria@small.test")
		want(t, "imap", r.IMAP, tlsAt("mail.hoster.test", 993), "maria@small.test", settings.FromISPDBByMX)
	})
}

func TestAutodiscover(t *testing.T) {
	l := newLab(t, budget, "off", func(*mailhost.Host) []string { return names("autodiscover.demo.test", "ex.demo.test") })
	var body string
	l.pages["https://autodiscover.demo.test/autodiscover/autodiscover.xml"] = func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 2000)
		n, _ := r.Body.Read(b)
		body = string(b[:n])
		_, _ = w.Write([]byte(`<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account><AccountType>email</AccountType>` +
			`<Protocol><Type>EXCH</Type><Server>x</Server></Protocol><Protocol><Type>IMAP</Type><Server>ex.demo.test</Server><Port>993</Port><SSL>on</SSL><LoginName>maria@demo.test</LoginName></Protocol>` +
			`<Protocol><Type>SMTP</Type><Server>ex.demo.test</Server><Port>587</Port><SSL>on</SSL><Encryption>TLS</Encryption></Protocol></Account></Response></Autodiscover>`))
	}
	r := l.find("maria@demo.test")
	want(t, "imap", r.IMAP, tlsAt("ex.demo.test", 993), "maria@demo.test", settings.FromAutodiscover)
	want(t, "smtp", r.SMTP, login.Server{Host: "ex.demo.test", Port: 587, Encryption: login.STARTTLS}, "maria@demo.test", settings.FromAutodiscover)
	if !strings.Contains(body, "<EMailAddress>maria@demo.test</EMailAddress>") {
		t.Errorf("request %q", body)
	}
}

// TestPlainHTTP: what anybody on the way could have written is only believed of the domain's own hosts.
func TestPlainHTTP(t *testing.T) {
	l := newLab(t, budget, "off", func(*mailhost.Host) []string {
		return names("autoconfig.demo.test", "box.demo.test", "thief.hoster.test")
	})
	l.page("http://autoconfig.demo.test/mail/config-v1.1.xml", document(
		server("imap", "thief.hoster.test", "993", "SSL", "%EMAILADDRESS%"), server("imap", "box.demo.test", "993", "SSL", "%EMAILADDRESS%"),
		server("smtp", "thief.hoster.test", "465", "SSL", "%EMAILADDRESS%")))
	r := l.find("maria@demo.test")
	want(t, "imap", r.IMAP, tlsAt("box.demo.test", 993), "maria@demo.test", settings.FromPlainHTTP)
	if r.SMTP != nil || l.saw(&l.dialed, "thief") > 0 {
		t.Errorf("a stranger's server was believed: %+v", r.SMTP)
	}
	if l.saw(&l.fetched, "http://autoconfig.demo.test/mail/config-v1.1.xml?") > 0 {
		t.Error("the address was sent without encryption")
	}
}

func TestRedirectToPlainIsNotTrusted(t *testing.T) {
	l := newLab(t, budget, "off", func(*mailhost.Host) []string { return names("autoconfig.demo.test", "thief.hoster.test") })
	l.pages["https://autoconfig.demo.test/mail/config-v1.1.xml"] = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://thief.hoster.test/x.xml", http.StatusFound)
	}
	l.page("http://thief.hoster.test/x.xml", document(server("imap", "thief.hoster.test", "993", "SSL", "%EMAILADDRESS%")))
	if r := l.find("maria@demo.test"); r.IMAP != nil {
		t.Errorf("believed: %+v", r.IMAP)
	}
}

func TestGuesses(t *testing.T) {
	l := newLab(t, budget, "off", func(*mailhost.Host) []string { return names("mail.demo.test") })
	l.host.Misbehave(mailhost.SMTPS, mailhost.Fault{Kind: mailhost.Reset})
	r := l.find("maria@demo.test")
	want(t, "imap", r.IMAP, tlsAt("mail.demo.test", 993), "maria@demo.test", settings.FromGuess)
	want(t, "smtp", r.SMTP, login.Server{Host: "mail.demo.test", Port: 587, Encryption: login.STARTTLS}, "maria@demo.test", settings.FromGuess)
}

// TestOnlyWhatAnswersIsOffered: the best-ranked server shows another's certificate.
func TestOnlyWhatAnswersIsOffered(t *testing.T) {
	l := newLab(t, budget, "off", func(h *mailhost.Host) []string {
		return append(names("wrong.elsewhere.test", "mail.demo.test"),
			fmt.Sprintf("_imaps._tcp.demo.test. 60 IN SRV 0 1 %d wrong.elsewhere.test.", h.Port(mailhost.IMAPS)))
	})
	r := l.find("maria@demo.test")
	want(t, "imap", r.IMAP, tlsAt("mail.demo.test", 993), "maria@demo.test", settings.FromGuess)
}

// TestRankedNotRaced: a quick guess is there long before the domain's own document.
func TestRankedNotRaced(t *testing.T) {
	l := newLab(t, budget, "off", func(*mailhost.Host) []string {
		return names("mail.demo.test", "best.demo.test", "autoconfig.demo.test")
	})
	guessed := make(chan struct{})
	l.pages["https://autoconfig.demo.test/mail/config-v1.1.xml"] = func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-guessed:
		case <-r.Context().Done():
		}
		_, _ = w.Write([]byte(document(server("imap", "best.demo.test", "993", "SSL", "%EMAILADDRESS%"), server("smtp", "best.demo.test", "465", "SSL", "%EMAILADDRESS%"))))
	}
	var once sync.Once
	r, err := l.finder.Find(t.Context(), address(t, "maria@demo.test"), func(p settings.Progress) {
		if p.IMAP == "mail.demo.test" {
			once.Do(func() { close(guessed) })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "imap", r.IMAP, tlsAt("best.demo.test", 993), "maria@demo.test", settings.FromAutoconfig)
}

// TestBudget: everything hangs, and what did answer is taken in time.
func TestBudget(t *testing.T) {
	l := newLab(t, 900*time.Millisecond, "off", func(*mailhost.Host) []string {
		return names("mail.demo.test", "autoconfig.demo.test", "autodiscover.demo.test")
	})
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server only sees the client leave once this is read
		<-r.Context().Done()
	}
	l.pages["https://autoconfig.demo.test/mail/config-v1.1.xml"] = hang
	l.pages["https://autodiscover.demo.test/autodiscover/autodiscover.xml"] = hang
	l.host.Misbehave(mailhost.SMTPS, mailhost.Fault{Kind: mailhost.HangAtGreeting})
	l.host.Misbehave(mailhost.Submission, mailhost.Fault{Kind: mailhost.HangAtGreeting})
	start := time.Now()
	r := l.find("maria@demo.test")
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
	want(t, "imap", r.IMAP, tlsAt("mail.demo.test", 993), "maria@demo.test", settings.FromGuess)
	if r.SMTP != nil {
		t.Errorf("%+v", r.SMTP)
	}
}

func TestProvidersByDomainAndMX(t *testing.T) {
	l := newLab(t, budget, "off", func(*mailhost.Host) []string {
		return []string{
			"firm.test. 60 IN MX 1 aspmx.l.google.com.", "office.test. 60 IN MX 0 office-test.mail.protection.outlook.com.",
			"quiet.test. 60 IN MX 10 mail.protonmail.ch.",
		}
	})
	for email, tc := range map[string]struct {
		id    string
		oauth settings.OAuth
	}{
		"a@gmail.com": {"gmail", settings.GoogleOAuth}, "a@firm.test": {"google_workspace", settings.GoogleOAuth},
		"a@office.test": {"microsoft365", settings.MicrosoftOAuth}, "a@hotmail.de": {"outlook", settings.MicrosoftOAuth},
		"a@proton.me": {"proton", ""}, "a@quiet.test": {"proton", ""},
	} {
		r := l.find(email)
		if r.Provider == nil || r.Provider.ID != tc.id || r.Provider.OAuth != tc.oauth {
			t.Errorf("%s: %+v, want %s", email, r.Provider, tc.id)
		}
		if r.IMAP != nil {
			t.Errorf("%s: %+v was offered without having answered", email, r.IMAP)
		}
	}
}

func TestProviderByServer(t *testing.T) {
	if p := settings.NewTable().ByHost("imap.fastmail.com"); p == nil || !p.AppPassword {
		t.Errorf("%+v", p)
	}
	if p := settings.NewTable().ByHost("notfastmail.com"); p != nil {
		t.Errorf("%+v", p)
	}
}

func TestCache(t *testing.T) {
	l := newLab(t, budget, "off", func(h *mailhost.Host) []string { return h.Zone("demo.test", "mail.demo.test") })
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			email := fmt.Sprintf("u%d@demo.test", i)
			r, err := l.finder.Find(t.Context(), address(t, email), nil)
			if err != nil || r.IMAP == nil || r.IMAP.User != email {
				t.Errorf("%s: %+v, %v", email, r.IMAP, err)
			}
		})
	}
	wg.Wait()
	n := l.saw(&l.dialed, "")
	if n > 4 {
		t.Errorf("%d connections for one domain", n)
	}
	l.now.Add(int64(23 * time.Hour))
	l.find("maria@demo.test")
	if got := l.saw(&l.dialed, ""); got != n {
		t.Errorf("asked again after 23 hours: %d, %d", n, got)
	}
	l.now.Add(int64(2 * time.Hour))
	l.find("maria@demo.test")
	if got := l.saw(&l.dialed, ""); got == n {
		t.Error("not asked again after 25 hours")
	}
}

func TestMissIsRememberedShortly(t *testing.T) {
	l := newLab(t, budget, "off", func(*mailhost.Host) []string { return nil })
	if r := l.find("maria@nowhere.test"); r.IMAP != nil || r.SMTP != nil {
		t.Fatalf("%+v", r)
	}
	n := l.saw(&l.dialed, "")
	l.now.Add(int64(9 * time.Minute))
	l.find("bob@nowhere.test")
	if got := l.saw(&l.dialed, ""); got != n {
		t.Error("asked again within ten minutes")
	}
	l.now.Add(int64(2 * time.Minute))
	l.find("bob@nowhere.test")
	if got := l.saw(&l.dialed, ""); got == n {
		t.Error("not asked again after eleven minutes")
	}
}

// TestLiteralLoginsAreNotSharedBetweenAddresses: a document written for Maria names her login.
func TestLiteralLoginsAreNotSharedBetweenAddresses(t *testing.T) {
	l := newLab(t, budget, "off", func(*mailhost.Host) []string { return names("autoconfig.demo.test", "mail.demo.test") })
	l.pages["https://autoconfig.demo.test/mail/config-v1.1.xml"] = func(w http.ResponseWriter, r *http.Request) {
		who, _, _ := strings.Cut(r.URL.Query().Get("emailaddress"), "@")
		_, _ = w.Write([]byte(document(server("imap", "mail.demo.test", "993", "SSL", "login-of-"+who), server("smtp", "mail.demo.test", "465", "SSL", "login-of-"+who))))
	}
	var wg sync.WaitGroup
	for _, who := range []string{"maria", "bob", "eve", "maria", "bob"} {
		wg.Go(func() {
			r, err := l.finder.Find(t.Context(), address(t, who+"@demo.test"), nil)
			if err != nil || r.IMAP == nil || r.IMAP.User != "login-of-"+who {
				t.Errorf("%s: %+v, %v", who, r.IMAP, err)
			}
		})
	}
	wg.Wait()
	if r := l.find("eve@demo.test"); r.IMAP == nil || r.IMAP.User != "login-of-eve" {
		t.Errorf("remembered: %+v", r.IMAP)
	}
}
