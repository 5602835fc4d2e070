package settings

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"

	"latchkey/internal/connector/login"
)

// Resolver asks the DNS. *net.Resolver is one.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// service is one SRV service of mail (RFC 6186 §3, RFC 8314 §5.1).
type service struct {
	name       string
	protocol   login.Protocol
	encryption login.Encryption
}

func services() []service {
	return []service{
		{"imaps", login.IMAP, login.TLS},
		{"imap", login.IMAP, login.STARTTLS},
		{"submissions", login.SMTP, login.TLS},
		{"submission", login.SMTP, login.STARTTLS},
	}
}

// askSRV asks for all four services at once.
func (f *Finder) askSRV(ctx context.Context, a Address) answer {
	type reply struct {
		service
		records []*net.SRV
	}
	replies := make([]reply, len(services()))
	var wg sync.WaitGroup
	for i, s := range services() {
		wg.Go(func() {
			_, records, err := f.resolve.LookupSRV(ctx, s.name, "tcp", a.Domain)
			if err != nil {
				records = nil // no record and no answer come to the same: nothing is known
			}
			replies[i] = reply{s, records}
		})
	}
	wg.Wait()
	out := answer{source: FromSRV}
	declined, offered := map[login.Protocol]bool{}, map[login.Protocol]bool{}
	for _, r := range replies {
		sorted := slices.Clone(r.records)
		slices.SortStableFunc(sorted, func(x, y *net.SRV) int {
			return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(y.Weight, x.Weight))
		})
		for i, rec := range sorted {
			// RFC 6186 §3.4: a target of "." says that the service is decidedly not there.
			if strings.TrimSuffix(rec.Target, ".") == "" {
				declined[r.protocol] = true
				continue
			}
			host, ok := usable(rec.Target, int(rec.Port))
			if !ok || i >= maxPerSource {
				continue
			}
			offered[r.protocol] = true
			out.candidates = append(out.candidates, candidate{
				protocol: r.protocol, server: login.Server{Host: host, Port: int(rec.Port), Encryption: r.encryption},
				user: "%EMAILADDRESS%", source: FromSRV, rank: rankSRV + i*10 + encryptionRank(r.encryption),
			})
		}
	}
	for _, p := range []login.Protocol{login.IMAP, login.SMTP} {
		if declined[p] && !offered[p] {
			out.none = append(out.none, p)
		}
	}
	return out
}

// askMX asks who takes the domain's mail, and what the table knows of them.
func (f *Finder) askMX(ctx context.Context, a Address) answer {
	out := answer{source: FromMX}
	records, err := f.resolve.LookupMX(ctx, a.Domain)
	if err != nil {
		return out
	}
	slices.SortStableFunc(records, func(x, y *net.MX) int { return cmp.Compare(x.Pref, y.Pref) })
	for _, rec := range records {
		host, err := ParseHost(rec.Host)
		if err != nil || len(out.mx) >= maxPerSource {
			continue
		}
		out.mx = append(out.mx, host)
		if p := f.table.ByMX(host); p != nil && out.provider == nil {
			out.provider = p
			out.candidates = ofProvider(p, FromMX, rankMX)
		}
	}
	return out
}

// ofProvider makes candidates of a row of the table.
func ofProvider(p *Provider, source Source, rank int) []candidate {
	user := cmp.Or(p.User, "%EMAILADDRESS%")
	var out []candidate
	for i, s := range p.IMAP {
		out = append(out, candidate{protocol: login.IMAP, server: s, user: user, source: source, rank: rank + i})
	}
	for i, s := range p.SMTP {
		out = append(out, candidate{protocol: login.SMTP, server: s, user: user, source: source, rank: rank + i})
	}
	return out
}

// registered is the part of a host's name that somebody registered: example.co.uk of a.example.co.uk.
func registered(host string) string {
	d, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return ""
	}
	return d
}

// guesses are where a domain's mail is often served.
func guesses(a Address, mx []string, none func(login.Protocol) bool) []candidate {
	var out []candidate
	add := func(p login.Protocol, host string, order int) {
		if none(p) {
			return
		}
		for _, e := range []login.Encryption{login.TLS, login.STARTTLS} {
			out = append(out, candidate{
				protocol: p, server: login.Server{Host: host, Port: login.UsualPort(p, e), Encryption: e},
				user: "%EMAILADDRESS%", source: FromGuess, rank: rankGuess + order*4 + encryptionRank(e),
			})
		}
	}
	add(login.IMAP, "imap."+a.Domain, 0)
	add(login.IMAP, "mail."+a.Domain, 1)
	add(login.SMTP, "smtp."+a.Domain, 0)
	add(login.SMTP, "mail."+a.Domain, 1)
	if len(mx) > 0 && mx[0] != "mail."+a.Domain {
		add(login.IMAP, mx[0], 2)
		add(login.SMTP, mx[0], 2)
	}
	return out
}
