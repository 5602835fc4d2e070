package e2e_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey"
	telegramsim "latchkey/internal/connector/telegram/sim"
	"latchkey/internal/connector/whatsapp/sim"
	"latchkey/internal/safehttp/proxytest"
)

// proxied is an installation with both chat providers, to which nobody may connect but a proxy: what
// goes round it is counted as where it was not asked for.
type proxied struct {
	*server
	whatsapp *sim.Sim
	telegram *telegramsim.Sim
	http     *proxytest.Proxy // with a password
	socks    *proxytest.Proxy // as well
}

func newProxied(t *testing.T) *proxied {
	t.Helper()
	in := newInstall(t, map[string]string{"LATCHKEY_ALLOW_PROXY": "127.0.0.0/8"})
	p := &proxied{
		http:  proxytest.Start(t, latchkey.ProxyHTTP, "northwind", in.seen.password("http-proxy")),
		socks: proxytest.Start(t, latchkey.ProxySOCKS5, "northwind", in.seen.password("socks-proxy")),
	}
	var err error
	if p.whatsapp, err = sim.Start(sim.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.whatsapp.Close() })
	p.whatsapp.AddPhone(sim.Phone{Number: phoneOfAda})
	if p.telegram, err = telegramsim.Start(telegramsim.Config{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.telegram.Close() })
	if _, err := p.telegram.Add(telegramsim.Person{Phone: phoneOfMaria, First: "Maria", DC: 4}); err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(keys, p.telegram.PublicKeysPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"LATCHKEY_TELEGRAM_DCS": p.telegram.DCs(), "LATCHKEY_TELEGRAM_PUBLIC_KEYS": keys, "LATCHKEY_TELEGRAM_API_ID": "1",
		"LATCHKEY_TELEGRAM_API_HASH": strings.Repeat("0123456789abcdef", 2),
		"LATCHKEY_WHATSAPP_ADDR":     p.whatsapp.Addr(), "LATCHKEY_WHATSAPP_ROOT_KEY": p.whatsapp.RootKey(), "LATCHKEY_APP_NAME": "Northwind",
	} {
		in.env[k] = v
	}
	p.server = in.start()
	return p
}

// given is a proxy as a request names it.
func given(p *latchkey.Proxy) fields {
	return fields{"protocol": p.Protocol, "host": p.Host, "port": p.Port, "username": p.Username, "password": p.Password}
}

func givenWith(p *latchkey.Proxy, change fields) fields {
	out := given(p)
	for k, v := range change {
		out[k] = v
	}
	return out
}

// TestProxyOfAnAccount: login, session, restart and reconnect all go through the account's own proxy,
// by wizard and by API; what is wrong with it is said by field; it is shown without its password.
func TestProxyOfAnAccount(t *testing.T) {
	t.Parallel()
	p := newProxied(t)

	// WhatsApp through HTTP CONNECT, by a link.
	l := p.api.link(t, fields{"providers": []string{"WHATSAPP"}, "proxy": given(p.http.Spec())})
	v := p.visit(l)
	f := v.at(t, nil, "whatsapp.qr")
	if err := p.whatsapp.Scan(phoneOfAda, f.Step.Payload); err != nil {
		t.Fatal(err)
	}
	f, err := v.until(t.Context(), nil, func(f flow) bool { return f.Status == "completed" })
	if err != nil {
		t.Fatal(err)
	}
	id := f.Result.AccountID
	w := &linked{server: p.server, sim: p.whatsapp}
	w.phone(t, phoneOfAda, 1, 1)
	acc := p.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+id, nil)
	if acc.text("connection_params.im.proxy.protocol") != "http" || acc.text("connection_params.im.proxy.host") != "127.0.0.1" || strings.Contains(string(acc.body), "northwind") {
		t.Errorf("the account is %s", acc.body)
	}
	if got := p.whatsapp.Listed(phoneOfAda); len(got) != 1 || got[0].Name != "Northwind" {
		t.Errorf("the phone lists %+v", got)
	}
	if !p.http.Only(p.whatsapp.Addr()) {
		t.Errorf("the proxy was asked for %q", p.http.Asked())
	}

	// Telegram through SOCKS5, by API, as a URL; its session moves to another data centre on the way.
	spec := p.socks.Spec()
	res := p.api.must(t, http.StatusAccepted, http.MethodPost, "/v1/accounts", fields{
		"provider": "TELEGRAM", "proxy": (&url.URL{Scheme: "socks5", User: url.UserPassword(spec.Username, spec.Password), Host: spec.Address()}).String(),
	})
	if err := p.telegram.Scan(phoneOfMaria, res.text("checkpoint.payload")); err != nil {
		t.Fatalf("%v: %s", err, res.body)
	}
	tg := res.text("account_id")
	for res.status != http.StatusCreated {
		if res, err = p.api.call(t.Context(), http.MethodPost, "/v1/accounts/checkpoint", fields{"account_id": tg}); err != nil {
			t.Fatal(err)
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("%s", res.body)
		}
	}
	if !p.socks.Only(slices.Collect(values(p.telegram.Addresses()))...) {
		t.Errorf("the proxy was asked for %q", p.socks.Asked())
	}

	// After a restart both are reached through their proxies again.
	before := len(p.http.Asked())
	p.kill()
	p.server = p.start()
	w.phone(t, phoneOfAda, 1, 1)
	if len(p.http.Asked()) == before {
		t.Error("WhatsApp went round its proxy after the restart")
	}
	before = len(p.socks.Asked())
	p.api.check(t, tg, "OK")
	if len(p.socks.Asked()) == before {
		t.Error("the check of Telegram went round the proxy")
	}

	// A proxy that is gone is not gone round.
	p.socks.Refuse(true)
	if got := p.api.check(t, tg, "ERROR"); got.text("reason") != "proxy_refused" {
		t.Errorf("refused: %s", got.body)
	}
	p.socks.Refuse(false)
	p.api.check(t, tg, "OK")
	logins := len(p.whatsapp.Logins())
	p.http.Password("northwind", "another")
	p.status(t, id, "ERROR", "proxy_refused")
	if n := len(p.whatsapp.Logins()); n != logins {
		t.Error("WhatsApp was reached without its proxy")
	}

	// Mended through another proxy, under its own id. The old device is gone from the phone's list.
	l = p.api.link(t, fields{"type": "reconnect", "reconnect_account": id, "proxy": given(spec)})
	v = p.visit(l)
	f = v.at(t, nil, "whatsapp.qr")
	if err := p.whatsapp.Scan(phoneOfAda, f.Step.Payload); err != nil {
		t.Fatal(err)
	}
	if f, err = v.until(t.Context(), nil, func(f flow) bool { return f.Status == "completed" }); err != nil || f.Result.AccountID != id {
		t.Fatalf("%+v, %v", f, err)
	}
	p.status(t, id, "OK", "")
	// Without a word about it, the account keeps that one.
	l = p.api.link(t, fields{"type": "reconnect", "reconnect_account": id})
	v = p.visit(l)
	f = v.at(t, nil, "whatsapp.qr")
	if err := p.whatsapp.Scan(phoneOfAda, f.Step.Payload); err != nil {
		t.Fatal(err)
	}
	if _, err = v.until(t.Context(), nil, func(f flow) bool { return f.Status == "completed" }); err != nil {
		t.Fatal(err)
	}
	if got := p.status(t, id, "OK", ""); got.text("connection_params.im.proxy.protocol") != "socks5" {
		t.Errorf("reconnected: %s", got.body)
	}
}

func values(m map[int]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func (p *proxied) status(t *testing.T, id, status, reason string) response {
	t.Helper()
	for {
		res := p.api.must(t, http.StatusOK, http.MethodGet, "/v1/accounts/"+id, nil)
		if res.text("status") == status && (reason == "" || res.text("reason") == reason) {
			return res
		}
		if err := sleep(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatalf("the account is %s", res.body)
		}
	}
}

// TestProxyExplained: each thing that can be wrong with a proxy is said of its field, and in the
// wizard it ends the try, with its code, before anything has gone round it.
func TestProxyExplained(t *testing.T) {
	t.Parallel()
	p := newProxied(t)
	p.socks.Refuse(true)
	for _, provider := range []string{"WHATSAPP", "TELEGRAM"} {
		for _, x := range []struct {
			proxy       any
			field, code string
		}{
			{givenWith(p.http.Spec(), fields{"password": p.seen.password("wrong")}), "proxy.password", "proxy_credentials"},
			{givenWith(p.socks.Spec(), fields{"username": "", "password": ""}), "proxy.password", "proxy_credentials"},
			{given(p.socks.Spec()), "proxy", "proxy_refused"},
			{fields{"protocol": "http", "host": "127.0.0.1", "port": 1}, "proxy.host", "proxy_unreachable"},
			{fields{"protocol": "http", "host": "169.254.169.254"}, "proxy.host", "proxy_not_allowed"},
			{fields{"protocol": "socks5", "host": "10.1.2.3"}, "proxy.host", "proxy_not_allowed"},
		} {
			res, err := p.api.call(t.Context(), http.MethodPost, "/v1/accounts", fields{"provider": provider, "proxy": x.proxy})
			if err != nil {
				t.Fatal(err)
			}
			if res.status != http.StatusBadRequest || res.text("errors.0.field") != x.field || res.text("errors.0.code") != x.code {
				t.Errorf("%s by API: %d %s; want %s: %s", provider, res.status, res.body, x.field, x.code)
			}
		}
		l := p.api.link(t, fields{"providers": []string{provider}, "proxy": given(p.socks.Spec())})
		f, err := p.visit(l).until(t.Context(), nil, func(f flow) bool { return f.Status == "failed" })
		if err != nil || f.Failure.Code != "proxy_refused" {
			t.Errorf("%s by link: %+v, %v", provider, f, err)
		}
	}
	if n := p.whatsapp.Waiting(); n != 0 {
		t.Errorf("%d companions went round the proxy", n)
	}
	// What has no proxy of its own does not ignore it.
	mail, err := p.api.call(t.Context(), http.MethodPost, "/v1/links", fields{"providers": []string{"IMAP", "WHATSAPP"}, "proxy": given(p.http.Spec())})
	if err != nil || mail.status != http.StatusBadRequest || mail.text("errors.0.code") != "unsupported" {
		t.Errorf("%s, %v", mail.body, err)
	}
}
