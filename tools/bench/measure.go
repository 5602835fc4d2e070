package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"latchkey"
	"latchkey/internal/pgtest"
	"latchkey/internal/secret"
	"latchkey/internal/store/sqlstore"
)

// engineFigures are what was measured of a server on one database.
type engineFigures struct {
	name     string
	create   []rate
	page     []rate
	signIn   []rate
	mailing  mailing
	journeys []journeys
	side     journeys
	sideN    int

	hooks deliveries

	fresh, existing   []time.Duration // start to the first healthy answer
	rssStart, rssIdle int64
	rssAfterLoad      int64
	idleShare         float64 // of one processor
}

// measured is everything.
type measured struct {
	machine    machine
	options    options
	binarySize int64
	others     float64 // what other programs took of the machine under the loads
	bareCreate []rate
	bareGet    []rate
	insert     []float64
	mail       []mailReport
	engines    []*engineFigures
	care       []*careFigures
	observed   observed
	boards     []*boardFigures
}

// contender is a server under load.
type contender struct {
	*engineFigures
	server    *process
	traveller *traveller
	database  string
}

func measure(ctx context.Context, o options, dir, binary string, m *measured) (err error) {
	st, err := newStage(dir, o.rounds*o.journeys+o.side)
	if err != nil {
		return err
	}
	defer st.close()
	databases := map[string]string{"SQLite": ""}
	if o.postgres {
		say("starting PostgreSQL")
		if databases["PostgreSQL"], err = pgtest.Start(true); err != nil {
			return err
		}
	}
	names := slices.Sorted(maps.Keys(databases))
	slices.Reverse(names) // SQLite, the default, leads
	for _, name := range names {
		m.engines = append(m.engines, &engineFigures{name: name})
	}
	before, err := readBusy()
	if err != nil {
		return err
	}
	if !o.hooksOnly && !o.signInsOnly {
		if err := underLoad(ctx, o, st, binary, databases, m); err != nil {
			return err
		}
		if err := m.observe(ctx, o, st, binary); err != nil {
			return fmt.Errorf("being observed: %w", err)
		}
	}
	for _, e := range m.engines {
		if o.hooksOnly {
			break
		}
		if err := e.signIns(ctx, o, st, binary, databases[e.name]); err != nil {
			return fmt.Errorf("%s: sign-ins: %w", e.name, err)
		}
		if e.name != "SQLite" {
			continue // the way of a mail is the same
		}
		if err := errors.Join(e.acceptance(ctx, st, binary), e.hanging(ctx, o, st, binary)); err != nil {
			return fmt.Errorf("%s: mail: %w", e.name, err)
		}
	}
	for _, e := range m.engines {
		if o.signInsOnly {
			break
		}
		if err := e.deliver(ctx, st, binary, databases[e.name], o.rounds, o.flood); err != nil {
			return fmt.Errorf("%s: deliveries: %w", e.name, err)
		}
	}
	if m.others, err = before.others(); err != nil {
		return err
	}
	for _, e := range m.engines {
		if o.hooksOnly || o.signInsOnly {
			break
		}
		if err := e.starts(ctx, o, st, binary, databases[e.name]); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

// underLoad starts everything that is compared and lets each have its turn in every round.
func underLoad(ctx context.Context, o options, st *stage, binary string, databases map[string]string, m *measured) (err error) {
	bare, err := startBare(ctx, st.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	var all []*contender
	for _, e := range m.engines {
		c := &contender{engineFigures: e, database: databases[e.name]}
		if c.server, err = st.serve(ctx, e.name, binary, nil, filepath.Join(st.dir, "load-"+e.name), c.database); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.server.stop()) }()
		c.traveller = &traveller{stage: st, server: c.server}
		say("%s: looking up the mail settings of %d domains", e.name, st.domains)
		if err := c.traveller.prepare(ctx); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		all = append(all, c)
	}
	for i := range o.rounds {
		say("round %d of %d", i+1, o.rounds)
		if err := round(ctx, o, st, bare, all, m); err != nil {
			return err
		}
	}
	for _, c := range all {
		say("%s: %d journeys side by side", c.name, o.side)
		if c.side, err = c.traveller.run(ctx, o.side, o.side); err != nil {
			return fmt.Errorf("%s: side by side: %w", c.name, err)
		}
		c.sideN = o.side
		if c.rssAfterLoad, err = c.server.memory(); err != nil {
			return err
		}
	}
	return nil
}

func round(ctx context.Context, o options, st *stage, bare *process, all []*contender, m *measured) error {
	r, err := load{addr: bare.addr, requests: [][]byte{request("POST", bare.addr, "/bare", seedBody(), "X-API-KEY: "+st.apiKey)}, status: 201, holds: []byte(`"url":"`)}.
		run(ctx, o.conns, o.each, bare)
	if err != nil {
		return fmt.Errorf("bare handler: %w", err)
	}
	m.bareCreate = append(m.bareCreate, r)
	for _, c := range all {
		r, err := c.createLoad(st).run(ctx, o.conns, o.each, c.server)
		if err != nil {
			return fmt.Errorf("%s: creating links: %w", c.name, err)
		}
		c.create = append(c.create, r)
	}
	n, err := bareInserts(ctx, filepath.Join(st.dir, fmt.Sprintf("insert-%d.db", len(m.insert))), o.conns, o.each)
	if err != nil {
		return fmt.Errorf("bare inserts: %w", err)
	}
	m.insert = append(m.insert, n)
	r, err = load{addr: bare.addr, requests: [][]byte{get(bare.addr, "/bare")}, status: 200, holds: []byte(`"url":"`)}.run(ctx, o.conns, o.each, bare)
	if err != nil {
		return fmt.Errorf("bare handler: %w", err)
	}
	m.bareGet = append(m.bareGet, r)
	for _, c := range all {
		l, err := c.pageLoad(ctx, st)
		if err != nil {
			return fmt.Errorf("%s: links to open: %w", c.name, err)
		}
		r, err := l.run(ctx, o.conns, o.each, c.server)
		if err != nil {
			return fmt.Errorf("%s: opening links: %w", c.name, err)
		}
		c.page = append(c.page, r)
	}
	mail, err := st.mailCost(ctx)
	if err != nil {
		return err
	}
	m.mail = append(m.mail, mail)
	for _, c := range all {
		j, err := c.traveller.run(ctx, o.journeys, atOnce)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		c.journeys = append(c.journeys, j)
	}
	return nil
}

// atOnce is how many journeys of a round go on at a time.
const atOnce = 64

// seedBody is the first call of the seed, with a date to come.
func seedBody() []byte {
	return fmt.Appendf(nil, `{"type":"create","providers":["LINKEDIN","WHATSAPP","GOOGLE"],"api_url":"https://api.postpress.ai/v1","expiresOn":%q}`, expiry())
}

func (c *contender) createLoad(st *stage) load {
	return load{
		addr:     c.server.addr,
		requests: [][]byte{request("POST", c.server.addr, "/v1/hosted/accounts/link", seedBody(), "X-API-KEY: "+st.apiKey, "Accept: application/json")},
		status:   201, holds: []byte(`"url":"`),
	}
}

// pageLinks is how many links the pages of one round belong to.
const pageLinks = 256

// pageLoad makes links and opens their pages, as browsers without a cookie do.
func (c *contender) pageLoad(ctx context.Context, st *stage) (load, error) {
	l := load{addr: c.server.addr, status: 200, holds: []byte(firstStep)}
	conn, err := dialWire(ctx, c.server.addr)
	if err != nil {
		return l, err
	}
	defer conn.conn.Close()
	body := bytes.Replace(seedBody(), []byte(`["LINKEDIN","WHATSAPP","GOOGLE"]`), []byte(`["IMAP"]`), 1)
	ask := request("POST", c.server.addr, "/v1/hosted/accounts/link", body, "X-API-KEY: "+st.apiKey)
	for range pageLinks {
		status, raw, err := conn.do(ask)
		if err != nil || status != 201 {
			return l, errors.Join(err, fmt.Errorf("no link: %d %.200s", status, raw))
		}
		var made struct{ URL string }
		if err := json.Unmarshal(raw, &made); err != nil {
			return l, err
		}
		u, err := url.Parse(made.URL)
		if err != nil {
			return l, err
		}
		l.requests = append(l.requests, get(c.server.addr, u.Path, "Accept: text/html,application/xhtml+xml", "Accept-Language: en-US,en;q=0.8",
			"User-Agent: Mozilla/5.0 (X11; Linux x86_64) bench", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"))
	}
	return l, nil
}

func startBare(ctx context.Context, dir string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := start(dir, "bare", addr, nil, self, "role:bare", addr)
	if err != nil {
		return nil, err
	}
	return p, p.healthy(ctx, "/bare")
}

// bareInserts is how many links a second the store alone makes durable, with as many callers as the
// load has connections.
func bareInserts(ctx context.Context, path string, callers int, each time.Duration) (perSecond float64, err error) {
	log := slog.New(slog.DiscardHandler)
	db, err := sqlstore.OpenDatabase(ctx, sqlstore.Options{Path: path, Now: time.Now, Log: log})
	if err != nil {
		return 0, err
	}
	ring, err := secret.LoadOrCreate(ctx, db.Keysets(), secret.NewMasterKey(), time.Now)
	if err != nil {
		return 0, errors.Join(err, db.Close())
	}
	s, err := sqlstore.NewStore(db, ring)
	if err != nil {
		return 0, errors.Join(err, db.Close())
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	application := latchkey.NewApplicationID(time.Now())
	var n atomic.Int64
	failed := make([]error, callers)
	begin := time.Now()
	until := begin.Add(each)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for now := time.Now(); now.Before(until); now = time.Now() {
				hash := make([]byte, 32)
				_, _ = rand.Read(hash)
				failed[i] = s.Links().Create(ctx, latchkey.Link{
					ID: latchkey.NewLinkID(now), ApplicationID: application, TokenHash: hash, Type: latchkey.LinkCreate,
					Dialect: latchkey.DialectLink, Status: latchkey.LinkCreated, CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour),
					Terms: latchkey.LinkTerms{Providers: []string{"LINKEDIN", "WHATSAPP", "GOOGLE"}},
				})
				if failed[i] != nil {
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(begin).Seconds(), errors.Join(failed...)
}
