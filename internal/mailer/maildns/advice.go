package maildns

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/net/publicsuffix"

	"latchkey/internal/errs"
)

// Resolver asks the DNS. A name that does not exist is an *errs.Error with CodeHostNotFound and Kind
// Invalid; whatever else goes wrong is an outage.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, domain string) ([]*net.MX, error)
}

// Bounds of one piece of advice. A record is a stranger's text.
const (
	lookTime   = 15 * time.Second
	maxRecord  = 1024
	maxLookups = 10 // RFC 7208 §4.6.4
	atOnce     = 6
	weakKey    = 1024
)

// Finding is what one kind of record says.
type Finding struct {
	// Record is spf, dkim, dmarc or mx; Name is where it was looked for.
	Record string
	Name   string
	OK     bool
	// Code is what is wrong, or empty: missing, several, invalid, too_many_lookups, not_included, weak,
	// revoked, unknown or unavailable.
	Code string
	// Found are the records; Suggest is one to set, or empty where only the mail host knows.
	Found   []string
	Suggest string
	Message string
}

// Advice is what was found of a domain.
type Advice struct {
	Domain string
	// Service is who sends for it, as far as the host tells; may be empty.
	Service  string
	Findings []Finding
}

// Look reads the records of a domain whose mail is handed to host.
func Look(ctx context.Context, dns Resolver, domain, host string) Advice {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	l := &looker{dns: dns, domain: domain}
	l.service, l.known = serviceOf(host)
	a := Advice{Domain: domain, Service: l.service.name, Findings: make([]Finding, 4)}
	var all sync.WaitGroup
	for i, f := range []func(context.Context) Finding{l.spf, l.dkim, l.dmarc, l.mx} {
		all.Go(func() { a.Findings[i] = f(ctx) })
	}
	all.Wait()
	return a
}

type looker struct {
	dns     Resolver
	domain  string
	service service
	known   bool
}

// texts are the TXT records of a name that begin with a version tag. none tells that the name has no
// such record, which is an answer.
func (l *looker) texts(ctx context.Context, name, version string) (found []string, err error) {
	all, err := l.dns.LookupTXT(ctx, name)
	if e, ok := errors.AsType[*errs.Error](err); ok && e.Kind == errs.Invalid {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		t = tidy(t)
		if low := strings.ToLower(t); version == "" || low == version || strings.HasPrefix(low, version+" ") || strings.HasPrefix(low, version+";") {
			found = append(found, t)
		}
	}
	return found, nil
}

func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxRecord {
		s = strings.ToValidUTF8(s[:maxRecord], "") + "…"
	}
	return strings.TrimSpace(s)
}

func outage(f Finding) Finding {
	f.Code, f.Message = "unavailable", "The DNS did not answer for this name. Look again in some minutes."
	return f
}

func (l *looker) mx(ctx context.Context) Finding {
	f := Finding{Record: "mx", Name: l.domain}
	mx, err := l.dns.LookupMX(ctx, l.domain)
	if e, ok := errors.AsType[*errs.Error](err); err != nil && (!ok || e.Kind != errs.Invalid) {
		return outage(f)
	}
	for _, m := range mx {
		f.Found = append(f.Found, tidy(m.Host))
	}
	switch {
	case len(mx) == 1 && strings.Trim(mx[0].Host, ".") == "": // RFC 7505 §3
		f.Code, f.Message = "invalid", "The domain says that it takes no mail at all. Then nobody can answer, nobody can confirm the address, and many hosts refuse what comes from it."
	case len(mx) == 0:
		f.Code, f.Message = "missing", "The domain names no host that takes its mail. Bounces and answers are lost, and many hosts refuse what comes from such a domain."
	default:
		f.OK, f.Message = true, "The domain takes mail, so that bounces and answers arrive."
	}
	return f
}

func (l *looker) dmarc(ctx context.Context) Finding {
	f := Finding{Record: "dmarc", Name: "_dmarc." + l.domain}
	found, err := l.texts(ctx, f.Name, "v=dmarc1")
	if err != nil {
		return outage(f)
	}
	if org, e := publicsuffix.EffectiveTLDPlusOne(l.domain); e == nil && len(found) == 0 && org != l.domain {
		if found, err = l.texts(ctx, "_dmarc."+org, "v=dmarc1"); err != nil {
			return outage(f)
		}
		if len(found) > 0 {
			f.Name = "_dmarc." + org
		}
	}
	f.Found = found
	const suggest = "v=DMARC1; p=none; rua=mailto:dmarc@"
	switch {
	case len(found) == 0:
		f.Code, f.Suggest = "missing", suggest+l.domain
		f.Message = "The domain has no DMARC policy. Gmail and Yahoo ask for one of whoever sends much. Begin with p=none, read the reports, then go on to quarantine and reject."
	case len(found) > 1:
		f.Code, f.Message = "several", "There is more than one DMARC record, so that receivers ignore them all (RFC 7489 §6.6.3). Keep one."
	default:
		f.policy(found[0])
	}
	return f
}

// policy reads p=, or for a domain below the one with the record sp=.
func (f *Finding) policy(record string) {
	tags := tagsOf(record)
	switch p := strings.ToLower(tags["p"]); p {
	case "none":
		f.OK, f.Message = true, "There is a DMARC policy that only watches (p=none): others can still send in the domain's name. Go on to quarantine when SPF or DKIM pass for all of your mail."
	case "quarantine", "reject":
		f.OK, f.Message = true, "Receivers treat mail that fails both SPF and DKIM as the policy says ("+p+"). Make sure that one of the two passes for this host, or login emails are lost."
	default:
		f.Code, f.Message = "invalid", "The DMARC record has no policy that can be read: p= has to be none, quarantine or reject."
	}
}

// tagsOf reads "a=b; c=d" (RFC 6376 §3.2). The first of a name counts.
func tagsOf(record string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(record, ";") {
		name, value, ok := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := out[name]; ok && !twice {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}

func (l *looker) dkim(ctx context.Context) Finding {
	selectors := l.service.selectors
	if len(selectors) == 0 {
		selectors = usualSelectors()
	}
	f := Finding{Record: "dkim", Name: selectors[0] + "._domainkey." + l.domain}
	found, failed := make([][]string, len(selectors)), make([]error, len(selectors))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, s := range selectors {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			found[i], failed[i] = l.texts(ctx, s+"._domainkey."+l.domain, "")
		})
	}
	all.Wait()
	f.Code = "unknown"
	for i, keys := range found {
		for _, k := range keys {
			code := keyTrouble(k)
			if code == "invalid" {
				continue // some other text under that name
			}
			if f.OK = code == ""; f.OK || f.Code == "unknown" {
				f.Name, f.Code, f.Found = selectors[i]+"._domainkey."+l.domain, code, []string{k}
			}
		}
		if f.OK {
			break
		}
	}
	if f.Code == "unknown" && errors.Join(failed...) != nil {
		return outage(f)
	}
	f.Message = l.keyWords(f)
	return f
}

func (l *looker) keyWords(f Finding) string {
	where := "your mail host's console"
	if l.known {
		where = l.service.console
	}
	switch f.Code {
	case "":
		return "There is a DKIM key that this host can sign with. Whether it signs for the domain is set in: " + where + "."
	case "weak":
		return "There is a DKIM key, but a short one: receivers want 1024 bits at least, and 2048 are usual. Make a new one in: " + where + "."
	case "revoked":
		return "There is a DKIM record without a key, which says that the key is revoked. Make a new one in: " + where + "."
	}
	return "No DKIM key was found under the usual names. A key can have any name, so that there may be one nevertheless; the records to set are shown in: " + where + "."
}

// keyTrouble reads a key record (RFC 6376 §3.6.1): empty where it is good.
func keyTrouble(record string) string {
	tags := tagsOf(record)
	p, has := tags["p"]
	if v, given := tags["v"]; !has || given && !strings.EqualFold(v, "DKIM1") {
		return "invalid"
	}
	if p = strings.Join(strings.Fields(p), ""); p == "" {
		return "revoked"
	}
	raw, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		return "" // it was cut for its length: what is shown of it cannot be judged
	}
	if key, err := x509.ParsePKIXPublicKey(raw); err == nil {
		if k, ok := key.(*rsa.PublicKey); ok && k.N.BitLen() < weakKey {
			return "weak"
		}
	}
	return ""
}
