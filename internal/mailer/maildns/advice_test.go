package maildns_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/mailer/maildns"
	"latchkey/internal/safehttp"
)

// resolver asks a name server on loopback, as the installation's DNS setting has it.
func resolver(t *testing.T, zone ...string) *safehttp.Egress {
	t.Helper()
	dns, err := mailhost.StartDNS("", zone...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	e, err := safehttp.New(safehttp.Config{DNSServer: dns.Addr(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func find(a maildns.Advice, record string) maildns.Finding {
	for _, f := range a.Findings {
		if f.Record == record {
			return f
		}
	}
	return maildns.Finding{}
}

func key(t *testing.T, bits int) string {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return record(t, &k.PublicKey)
}

// record is a key as it stands in the DNS, in strings of 255 bytes at most.
func record(t *testing.T, k *rsa.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		t.Fatal(err)
	}
	s := base64.StdEncoding.EncodeToString(der)
	var parts []string
	for len(s) > 200 {
		parts, s = append(parts, `"`+s[:200]+`"`), s[200:]
	}
	return strings.Join(append([]string{`"v=DKIM1; k=rsa; p="`}, append(parts, `"`+s+`"`)...), " ")
}

func txt(name, text string) string {
	if !strings.HasPrefix(text, `"`) {
		text = `"` + strings.ReplaceAll(text, ";", `\;`) + `"`
	}
	return name + ". 60 IN TXT " + text
}

// TestRecords reads what a name server says, and tells what to change.
func TestRecords(t *testing.T) {
	t.Parallel()
	many := []string{txt("acme.test", "v=spf1 include:a0.test ~all")}
	for i := range 12 {
		many = append(many, txt(fmt.Sprintf("a%d.test", i), fmt.Sprintf("v=spf1 include:a%d.test ~all", i+1)))
	}
	for name, c := range map[string]struct {
		zone         []string
		domain, host string
		record, code string
		says         string
	}{
		"no spf":          {nil, "acme.test", "smtp.office365.com", "spf", "missing", "Microsoft 365"},
		"two spf":         {[]string{txt("acme.test", "v=spf1 -all"), txt("acme.test", "v=spf1 a -all")}, "acme.test", "smtp.acme.test", "spf", "several", "RFC 7208"},
		"not included":    {[]string{txt("acme.test", "v=spf1 mx -all")}, "acme.test", "smtp.sendgrid.net", "spf", "not_included", "include:sendgrid.net"},
		"included":        {[]string{txt("acme.test", "v=spf1 include:sendgrid.net ~all"), txt("sendgrid.net", "v=spf1 ip4:1.2.3.4 ~all")}, "acme.test", "smtp.sendgrid.net", "spf", "", "SendGrid"},
		"included below":  {[]string{txt("acme.test", "v=spf1 redirect=_spf.acme.test"), txt("_spf.acme.test", "v=spf1 include:sendgrid.net ~all"), txt("sendgrid.net", "v=spf1 ~all")}, "acme.test", "smtp.sendgrid.net", "spf", "", "SendGrid"},
		"everybody":       {[]string{txt("acme.test", "v=spf1 +all")}, "acme.test", "smtp.acme.test", "spf", "weak", "+all"},
		"broken include":  {[]string{txt("acme.test", "v=spf1 include:gone.test -all")}, "acme.test", "smtp.acme.test", "spf", "invalid", "gone.test"},
		"too many":        {many, "acme.test", "smtp.acme.test", "spf", "too_many_lookups", "10"},
		"a loop":          {[]string{txt("acme.test", "v=spf1 include:acme.test ~all")}, "acme.test", "smtp.acme.test", "spf", "", "cannot be told"},
		"other texts":     {[]string{txt("acme.test", "v=spf10 nonsense"), txt("acme.test", "google-site-verification=x")}, "acme.test", "smtp.acme.test", "spf", "missing", "documentation"},
		"no dmarc":        {nil, "acme.test", "smtp.acme.test", "dmarc", "missing", "p=none"},
		"dmarc above":     {[]string{txt("_dmarc.acme.test", "v=DMARC1; p=reject")}, "mail.eu.acme.test", "smtp.acme.test", "dmarc", "", "reject"},
		"dmarc watches":   {[]string{txt("_dmarc.acme.test", "v=DMARC1; p=none")}, "acme.test", "smtp.acme.test", "dmarc", "", "only watches"},
		"dmarc twice":     {[]string{txt("_dmarc.acme.test", "v=DMARC1; p=none"), txt("_dmarc.acme.test", "v=DMARC1; p=reject")}, "acme.test", "smtp.acme.test", "dmarc", "several", "ignore"},
		"dmarc broken":    {[]string{txt("_dmarc.acme.test", "v=DMARC1; p=maybe")}, "acme.test", "smtp.acme.test", "dmarc", "invalid", "p="},
		"dkim":            {[]string{txt("selector2._domainkey.acme.test", key(t, 2048))}, "acme.test", "smtp.office365.com", "dkim", "", "can sign"},
		"dkim short":      {[]string{txt("default._domainkey.acme.test", record(t, &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 767, 1), E: 65537}))}, "acme.test", "smtp.acme.test", "dkim", "weak", "2048"},
		"dkim revoked":    {[]string{txt("google._domainkey.acme.test", "v=DKIM1; p=")}, "acme.test", "smtp.gmail.com", "dkim", "revoked", "revoked"},
		"dkim not found":  {nil, "acme.test", "email-smtp.eu-west-1.amazonaws.com", "dkim", "unknown", "Amazon SES"},
		"dkim other text": {[]string{txt("s1._domainkey.acme.test", "hello")}, "acme.test", "smtp.sendgrid.net", "dkim", "unknown", "SendGrid"},
		"mx":              {[]string{"acme.test. 60 IN MX 10 mx.acme.test."}, "acme.test", "smtp.acme.test", "mx", "", "bounces"},
		"no mx":           {nil, "acme.test", "smtp.acme.test", "mx", "missing", "Bounces"},
		"takes no mail":   {[]string{"acme.test. 60 IN MX 0 ."}, "acme.test", "smtp.acme.test", "mx", "invalid", "no mail at all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := maildns.Look(t.Context(), resolver(t, c.zone...), c.domain, c.host)
			f := find(a, c.record)
			if len(a.Findings) != 4 || f.Code != c.code || f.OK != (c.code == "") || !strings.Contains(f.Message+f.Suggest, c.says) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestSuggestions keep what is there.
func TestSuggestions(t *testing.T) {
	t.Parallel()
	dns := resolver(t, txt("acme.test", "v=spf1 mx ~all"))
	f := find(maildns.Look(t.Context(), dns, "acme.test", "smtp.postmarkapp.com"), "spf")
	if f.Suggest != "v=spf1 include:spf.mtasv.net mx ~all" || f.Found[0] != "v=spf1 mx ~all" {
		t.Errorf("%+v", f)
	}
}

// TestSilence: a name server that does not answer is no missing record.
func TestSilence(t *testing.T) {
	t.Parallel()
	e, err := safehttp.New(safehttp.Config{DNSServer: "127.0.0.1:1", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, f := range maildns.Look(ctx, e, "acme.test", "smtp.acme.test").Findings {
		if f.OK || f.Code != "unavailable" {
			t.Errorf("%+v", f)
		}
	}
}
