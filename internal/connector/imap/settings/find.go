package settings

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"latchkey/internal/connector/login"
)

const (
	defaultBudget = 3 * time.Second
	// guessAfter is how long better sources are waited for before doors are knocked at.
	guessAfter = 700 * time.Millisecond
	// DefaultISPDB is Thunderbird's database.
	DefaultISPDB = "https://autoconfig.thunderbird.net/v1.1/"

	hitTTL  = 24 * time.Hour
	missTTL = 10 * time.Minute
	// cacheSize is in domains.
	cacheSize = 4096
)

// Config is what a Finder needs.
type Config struct {
	Resolve Resolver
	Fetch   Fetcher
	// Probe sees whether a server is what it is said to be; *login.Client does.
	Probe interface {
		Probe(ctx context.Context, p login.Protocol, s login.Server) error
	}
	// ISPDBURL is the database's address, ending in a slash; "off" asks none, empty means DefaultISPDB.
	ISPDBURL string
	// Budget bounds one search; three seconds if zero.
	Budget time.Duration
	Now    func() time.Time
	Log    *slog.Logger
}

// Finder finds settings, and remembers them per domain.
type Finder struct {
	table   *Table
	resolve Resolver
	fetcher Fetcher
	probe   prober
	ispdb   string
	budget  time.Duration
	log     *slog.Logger
	cache   *cache
	flights singleflight.Group
}

// NewFinder makes a Finder.
func NewFinder(cfg Config) *Finder {
	ispdb := cmp.Or(cfg.ISPDBURL, DefaultISPDB)
	if ispdb == "off" {
		ispdb = ""
	} else if !strings.HasSuffix(ispdb, "/") {
		ispdb += "/"
	}
	return &Finder{
		table: NewTable(), resolve: cfg.Resolve, fetcher: cfg.Fetch, probe: cfg.Probe, ispdb: ispdb,
		budget: cmp.Or(cfg.Budget, defaultBudget), log: cfg.Log, cache: newCache(cacheSize, cfg.Now),
	}
}

// Table is the table of providers.
func (f *Finder) Table() *Table { return f.table }

// Found is a server that answered, and the login there.
type Found struct {
	Server login.Server `json:"server"`
	User   string       `json:"user"`
	Source Source       `json:"source"`
}

// Result is what was found for an address.
type Result struct {
	// Provider is whose mail it is, where known.
	Provider *Provider `json:"provider,omitempty"`
	// IMAP and SMTP are nil where nothing answered.
	IMAP *Found `json:"imap,omitempty"`
	SMTP *Found `json:"smtp,omitempty"`
	// NoIMAP and NoSMTP say that the domain declares not to offer it.
	NoIMAP bool `json:"no_imap,omitempty"`
	NoSMTP bool `json:"no_smtp,omitempty"`
	// personal results hold for the address they were made for alone.
	personal bool
}

// Progress is how far a search is. It is told as it happens; what is unknown is empty.
type Progress struct {
	// LookedUp: the domain's own records are in. Hosted is the provider's name.
	LookedUp bool
	Hosted   string
	// IMAP and SMTP are the best-ranked hosts that are being spoken to.
	IMAP, SMTP string
}

// Find searches for an address, or remembers. report may be nil; it is called from one goroutine at a
// time, and not at all where somebody else's search for the domain is waited for.
func (f *Finder) Find(ctx context.Context, a Address, report func(Progress)) (Result, error) {
	for _, key := range []string{a.Domain, personalKey(a)} {
		if r, ok := f.cache.get(key); ok {
			return r.fill(a), nil
		}
	}
	r, whose, err := f.fly(ctx, a.Domain, a, report)
	if err == nil && r.personal && !whose.Same(a) {
		r, _, err = f.fly(ctx, personalKey(a), a, report)
	}
	if err != nil {
		return Result{}, err
	}
	return r.fill(a), nil
}

// personalKey has an at sign, which no domain has.
func personalKey(a Address) string { return strings.ToLower(a.Wire()) }

type flight struct {
	result Result
	whose  Address
}

// fly searches once for everybody who asks for the key meanwhile. Who asked first may leave: the
// search goes on, and its result is remembered.
func (f *Finder) fly(ctx context.Context, key string, a Address, report func(Progress)) (Result, Address, error) {
	done := f.flights.DoChan(key, func() (any, error) {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.budget)
		defer cancel()
		tell := func(p Progress) {
			if report != nil && ctx.Err() == nil {
				report(p)
			}
		}
		r := newSearch(f, own, a, tell).run()
		f.remember(a, r)
		return flight{r, a}, nil
	})
	select {
	case <-ctx.Done():
		return Result{}, a, ctx.Err()
	case out := <-done:
		fl, _ := out.Val.(flight)
		return fl.result, fl.whose, out.Err
	}
}

func (f *Finder) remember(a Address, r Result) {
	key, ttl := a.Domain, hitTTL
	if r.personal {
		key = personalKey(a)
	}
	if (r.IMAP == nil && !r.NoIMAP) || (r.SMTP == nil && !r.NoSMTP) {
		ttl = missTTL
	}
	f.cache.put(key, r, ttl)
	f.log.Debug("mail settings looked up", slog.String("domain", a.Domain),
		slog.Bool("imap_found", r.IMAP != nil), slog.Bool("smtp_found", r.SMTP != nil))
}

// fill makes the logins of a remembered result those of an address.
func (r Result) fill(a Address) Result {
	for _, side := range []**Found{&r.IMAP, &r.SMTP} {
		if *side != nil {
			c := **side
			c.User = expand(c.User, a)
			*side = &c
		}
	}
	return r
}

// Guess is what to suggest where nothing was found.
func Guess(p login.Protocol, a Address) Found {
	host := "imap." + a.Domain
	if p == login.SMTP {
		host = "smtp." + a.Domain
	}
	return Found{
		Server: login.Server{Host: host, Port: login.UsualPort(p, login.TLS), Encryption: login.TLS}, User: a.Wire(), Source: FromGuess,
	}
}
