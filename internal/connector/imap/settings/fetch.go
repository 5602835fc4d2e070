package settings

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"latchkey/internal/connector/login"
)

// Fetcher fetches over HTTP under the operator's egress policy. *http.Client is one.
type Fetcher interface {
	Do(*http.Request) (*http.Response, error)
}

var errFetch = errors.New("settings: no document")

// fetch gets a document, bounded. It tells whether it came over TLS all the way.
func (f *Finder) fetch(ctx context.Context, method, at string, body string) (doc []byte, private bool, err error) {
	req, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Accept", "text/xml, application/xml")
	if body != "" {
		req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	}
	res, err := f.fetcher.Do(req)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, false, fmt.Errorf("%w: status %d", errFetch, res.StatusCode)
	}
	doc, err = io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err != nil || len(doc) > maxDocument {
		return nil, false, fmt.Errorf("%w: too big or broken off", errFetch)
	}
	return doc, req.URL.Scheme == "https" && allPrivate(res), nil
}

// allPrivate tells whether no hop of the redirects was plain.
func allPrivate(res *http.Response) bool {
	for r := res.Request; r != nil; {
		if r.URL.Scheme != "https" {
			return false
		}
		if r.Response == nil {
			break
		}
		r = r.Response.Request
	}
	return true
}

// askAutoconfig asks the domain itself over TLS, in both places.
func (f *Finder) askAutoconfig(ctx context.Context, a Address) answer {
	places := []string{
		"https://autoconfig." + a.Domain + "/mail/config-v1.1.xml?emailaddress=" + url.QueryEscape(a.Wire()),
		"https://" + a.Domain + "/.well-known/autoconfig/mail/config-v1.1.xml",
	}
	answers := make([]answer, len(places))
	var wg sync.WaitGroup
	for i, place := range places {
		wg.Go(func() {
			doc, private, err := f.fetch(ctx, http.MethodGet, place, "")
			if err != nil {
				return
			}
			if !private {
				answers[i].candidates = f.plain(doc, a)
				return
			}
			// The second place ranks right behind the first.
			answers[i].candidates, _ = parseAutoconfig(doc, a, FromAutoconfig, rankAutoconfig+i*50)
		})
	}
	wg.Wait()
	return answer{source: FromAutoconfig, candidates: append(answers[0].candidates, answers[1].candidates...)}
}

// askPlainHTTP asks the domain without TLS, and without saying who asks. What comes back could have
// been written by anybody on the way, so only servers inside the domain are taken from it.
func (f *Finder) askPlainHTTP(ctx context.Context, a Address) answer {
	out := answer{source: FromPlainHTTP}
	doc, _, err := f.fetch(ctx, http.MethodGet, "http://autoconfig."+a.Domain+"/mail/config-v1.1.xml", "")
	if err == nil {
		out.candidates = f.plain(doc, a)
	}
	return out
}

func (f *Finder) plain(doc []byte, a Address) []candidate {
	all, err := parseAutoconfig(doc, a, FromPlainHTTP, rankPlainHTTP)
	if err != nil {
		return nil
	}
	var kept []candidate
	for _, c := range all {
		if within(c.server.Host, a.Domain) {
			kept = append(kept, c)
		}
	}
	return kept
}

// askISPDB asks Thunderbird's database for a domain: the address's own, or its mail exchanger's.
func (f *Finder) askISPDB(ctx context.Context, domain string, a Address, source Source, rank int) answer {
	out := answer{source: source}
	if f.ispdb == "" || domain == "" {
		return out
	}
	doc, private, err := f.fetch(ctx, http.MethodGet, f.ispdb+url.PathEscape(domain), "")
	// Where the operator runs a copy without TLS, it is the operator's network.
	if err != nil || (!private && strings.HasPrefix(f.ispdb, "https:")) {
		return out
	}
	out.candidates, _ = parseAutoconfig(doc, a, source, rank)
	return out
}

// askAutodiscover asks an Exchange-like host of the domain (MS-OXDSCLI §3.1.5): by name, and by SRV.
// No password is sent, though the protocol would take one.
func (f *Finder) askAutodiscover(ctx context.Context, a Address) answer {
	out := answer{source: FromAutodiscover}
	body := autodiscoverRequest(a)
	for _, host := range f.autodiscoverHosts(ctx, a) {
		doc, private, err := f.fetch(ctx, http.MethodPost, "https://"+host+"/autodiscover/autodiscover.xml", body)
		if err != nil || !private {
			continue
		}
		if out.candidates, err = parseAutodiscover(doc, a); err == nil && len(out.candidates) > 0 {
			break
		}
	}
	return out
}

func (f *Finder) autodiscoverHosts(ctx context.Context, a Address) []string {
	hosts := []string{"autodiscover." + a.Domain}
	_, records, err := f.resolve.LookupSRV(ctx, "autodiscover", "tcp", a.Domain)
	if err == nil && len(records) > 0 {
		if h, ok := usable(records[0].Target, int(records[0].Port)); ok {
			hosts = append(hosts, net.JoinHostPort(h, strconv.Itoa(int(records[0].Port))))
		}
	}
	return hosts
}

func autodiscoverRequest(a Address) string {
	var b strings.Builder
	b.WriteString(xml.Header)
	b.WriteString(`<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>`)
	_ = xml.EscapeText(&b, []byte(a.Wire())) // a Builder does not fail
	b.WriteString(`</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`)
	return b.String()
}

// prober sees whether a server is what it is said to be.
type prober interface {
	Probe(ctx context.Context, p login.Protocol, s login.Server) error
}
