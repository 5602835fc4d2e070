package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/connector"
	"latchkey/internal/hooks"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// hosts is over how many mail hosts the accounts are spread.
const hosts = 500

// careFigures are what looking after many accounts costs on one database.
type careFigures struct {
	name     string
	accounts int
	// dueAll and dueNone are looks for accounts to check where all are due and where none is.
	dueAll, dueNone time.Duration
	perSecond       float64 // checks
	heapEach        float64 // bytes of memory that grew, for each account
	list, links     []time.Duration
	// down is how many accounts a provider refused at once, outage how many were told of that as of an
	// outage, and wronged how many were sent to the wizard.
	down, outage, wronged int
	// toldOutage and toldWronged are the same, as the backend heard it by webhook.
	toldOutage, toldWronged int
	// shares are checks by replica, for so many replicas.
	shares         map[int][]int
	sharedAccounts int
}

// crowd is a provider whose checks take no time, so that only ours is measured.
type crowd struct {
	connector.Connector
	refuses *atomic.Bool
	down    int // so many of the hosts are in the outage
	checks  atomic.Int64
}

func (c *crowd) Check(ctx context.Context, a connector.Credential) (connector.Health, error) {
	c.checks.Add(1)
	if c.refused(a.Params) {
		return connector.Health{Status: latchkey.AccountCredentials, Reason: latchkey.ReasonPasswordChanged}, ctx.Err()
	}
	return connector.Health{Status: latchkey.AccountOK}, ctx.Err()
}

// Host is one of many, but in the outage: that is of one provider.
func (c *crowd) Host(params json.RawMessage) string {
	if c.refused(params) {
		return "one"
	}
	return string(params)
}

// refused tells whether an account is of the half that the provider refuses in its outage.
func (c *crowd) refused(params json.RawMessage) bool {
	var host string
	if !c.refuses.Load() || json.Unmarshal(params, &host) != nil {
		return false
	}
	n, err := strconv.Atoi(strings.TrimPrefix(host, "mx"))
	return err == nil && n < c.down
}

// care is an installation that only looks after accounts.
type care struct {
	app    latchkey.ApplicationID
	open   func() (*sqlstore.Store, *secret.Keyring, error)
	store  *sqlstore.Store
	stores []*sqlstore.Store
	offset atomic.Int64 // of the clock
	crowds []*crowd
	refuse atomic.Bool
	down   int
	log    *slog.Logger
	ring   *secret.Keyring
}

func (c *care) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

func newCare(ctx context.Context, dir, url string) (*care, error) {
	c := &care{app: latchkey.NewApplicationID(time.Now()), log: slog.New(slog.DiscardHandler)}
	master := secret.NewMasterKey()
	c.open = func() (*sqlstore.Store, *secret.Keyring, error) {
		db, err := sqlstore.OpenDatabase(ctx, sqlstore.Options{URL: url, Path: filepath.Join(dir, "care.db"), Now: time.Now, Log: c.log})
		if err != nil {
			return nil, nil, err
		}
		ring, err := secret.LoadOrCreate(ctx, db.Keysets(), master, time.Now)
		if err != nil {
			return nil, nil, errors.Join(err, db.Close())
		}
		st, err := sqlstore.NewStore(db, ring)
		return st, ring, err
	}
	var err error
	if c.store, c.ring, err = c.open(); err != nil {
		return nil, err
	}
	c.stores = append(c.stores, c.store)
	return c, c.store.Applications().Create(ctx, latchkey.Application{ID: c.app, Name: "crowd", CreatedAt: time.Now()})
}

func (c *care) close() error {
	var out []error
	for _, s := range c.stores {
		out = append(out, s.Close())
	}
	return errors.Join(out...)
}

// fill makes accounts that are all due.
func (c *care) fill(ctx context.Context, n int) error {
	return side(64, n, func(i int) error {
		now := c.now()
		return c.store.Accounts().Create(ctx, latchkey.Account{
			ID: latchkey.NewAccountID(now), ApplicationID: c.app, Provider: latchkey.IMAP, Name: "Ada Lovelace", Identity: fmt.Sprintf("u%d@bench.test", i),
			Proof: latchkey.ProofTyped, Status: latchkey.AccountOK, StatusAt: now.Add(-48 * time.Hour), Secret: make([]byte, 300),
			Params: json.RawMessage(fmt.Sprintf(`"mx%d"`, i%hosts)), CreatedAt: now.Add(-72 * time.Hour), UpdatedAt: now, CheckAt: now,
			Sources: []latchkey.Source{{ID: "IMAP", Status: latchkey.AccountOK}, {ID: "SMTP", Status: latchkey.AccountOK}},
		})
	})
}

// side does n things, so many at once.
func side(at, n int, do func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all error
	for range at {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					mu.Lock()
					all = errors.Join(all, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return all
}

// replicas runs so many services until stop.
func (c *care) replicas(ctx context.Context, n int) (stop func(), err error) {
	c.crowds = nil
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := range n {
		if i >= len(c.stores) {
			st, _, err := c.open()
			if err != nil {
				cancel()
				return nil, err
			}
			c.stores = append(c.stores, st)
		}
		who := &crowd{refuses: &c.refuse, down: c.down}
		c.crowds = append(c.crowds, who)
		st := c.stores[i]
		s := accounts.New(accounts.Config{
			Store: st, Events: c.hooks(st), Seal: c.ring, Now: c.now, Log: c.log,
			Connectors: map[latchkey.Provider]connector.Connector{latchkey.IMAP: who}, CheckRate: 1e9, CheckPoll: 20 * time.Millisecond,
		})
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				say("replica: %v", err)
			}
		})
	}
	return func() { cancel(); wg.Wait() }, nil
}

func (c *care) hooks(st *sqlstore.Store) *hooks.Hooks {
	return hooks.New(hooks.Config{Store: st, Watch: st, Client: http.DefaultClient, Now: c.now, Log: c.log, Owner: "bench", Sole: true})
}

// idle waits until nothing is due.
func (c *care) idle(ctx context.Context) error {
	for ctx.Err() == nil {
		due, err := c.store.Checks().Due(ctx, latchkey.IMAP, c.now(), store.Due{}, 1)
		if err != nil {
			return err
		}
		if len(due) == 0 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return ctx.Err()
}

// due measures a look for accounts to check.
func (c *care) due(ctx context.Context) (time.Duration, error) {
	var all []time.Duration
	for range 50 {
		began := time.Now()
		if _, err := c.store.Checks().Due(ctx, latchkey.IMAP, c.now(), store.Due{}, 256); err != nil {
			return 0, err
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// aside lists accounts and makes links while others work, until done is closed.
func (c *care) aside(ctx context.Context, f *careFigures, done <-chan struct{}) error {
	before := ""
	for {
		select {
		case <-done:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
		began := time.Now()
		list, err := c.store.Accounts().List(ctx, c.app, store.Page{Limit: 50, Before: before})
		if err != nil {
			return err
		}
		f.list = append(f.list, time.Since(began))
		if before = ""; len(list) > 0 && rand.IntN(50) > 0 {
			before = string(list[len(list)-1].ID)
		}
		now := c.now()
		token := random(32)
		began = time.Now()
		err = c.store.Links().Create(ctx, latchkey.Link{
			ID: latchkey.NewLinkID(now), ApplicationID: c.app, TokenHash: token, Type: latchkey.LinkCreate, Dialect: latchkey.DialectLink,
			Status: latchkey.LinkCreated, CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour),
		})
		if err != nil {
			return err
		}
		f.links = append(f.links, time.Since(began))
	}
}

// pass lets so many replicas check everything that is due, and returns who did how many. Work goes on
// aside where f is given, and for so long at least.
func (c *care) pass(ctx context.Context, n int, f *careFigures, least time.Duration) (time.Duration, []int, error) {
	began := time.Now()
	stop, err := c.replicas(ctx, n)
	if err != nil {
		return 0, nil, err
	}
	defer stop()
	done := make(chan struct{})
	aside := make(chan error, 1)
	if f != nil {
		go func() { aside <- c.aside(ctx, f, done) }()
	} else {
		aside <- nil
	}
	err = c.idle(ctx)
	took := time.Since(began)
	time.Sleep(least)
	close(done)
	err = errors.Join(err, <-aside)
	stop()
	var shares []int
	for _, w := range c.crowds {
		shares = append(shares, int(w.checks.Load()))
	}
	return took, shares, err
}

// measureCare looks after n accounts on one database.
func measureCare(ctx context.Context, name, dir, url string, n int) (f *careFigures, err error) {
	f = &careFigures{name: name, accounts: n, shares: map[int][]int{}}
	c, err := newCare(ctx, dir, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	say("%s: %d accounts", name, n)
	if err := c.fill(ctx, n); err != nil {
		return nil, err
	}
	if f.dueAll, err = c.due(ctx); err != nil {
		return nil, err
	}
	before := heap()
	took, _, err := c.pass(ctx, 1, nil, time.Second)
	if err != nil {
		return nil, err
	}
	f.perSecond = float64(n) / took.Seconds()
	f.heapEach = (float64(heap()) - float64(before)) / float64(n)
	if f.dueNone, err = c.due(ctx); err != nil {
		return nil, err
	}
	// The accounts have drifted apart: now they come one by one, as they do for years.
	c.offset.Add(int64(40 * time.Minute))
	say("%s: lists, while the checks go on", name)
	if _, _, err = c.pass(ctx, 1, nil, 0); err != nil {
		return nil, err
	}
	if _, _, err = c.pass(ctx, 1, f, 10*time.Second); err != nil {
		return nil, err
	}
	return f, nil
}

// shared are the accounts that replicas share in the benchmark.
const shared = 20_000

// measureShares has two and four replicas on one database do each check once.
func measureShares(ctx context.Context, f *careFigures, dir, url string) (err error) {
	c, err := newCare(ctx, dir, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	f.sharedAccounts = min(shared, f.accounts)
	if err := c.fill(ctx, f.sharedAccounts); err != nil {
		return err
	}
	for _, replicas := range []int{2, 4} {
		say("%s: %d replicas", f.name, replicas)
		if _, f.shares[replicas], err = c.pass(ctx, replicas, nil, time.Second); err != nil {
			return err
		}
		c.offset.Add(int64(time.Hour))
	}
	return nil
}

// measureOutage has a provider refuse so many accounts at once, and a quarter as many work beside them.
func measureOutage(ctx context.Context, f *careFigures, dir, url string, down int) (err error) {
	c, err := newCare(ctx, dir, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	n := down + down/4
	say("%s: an outage of the provider of %d of %d accounts", f.name, down, n)
	if err := c.fill(ctx, n); err != nil {
		return err
	}
	c.down = down * min(hosts, n) / n
	for i := range n {
		if i%hosts < c.down {
			f.down++
		}
	}
	return c.outage(ctx, f)
}

// outage has the provider refuse its accounts, and counts who was told that their user must act: in the
// table, and at the backend's webhook.
func (c *care) outage(ctx context.Context, f *careFigures) (err error) {
	backend, err := newSink(f.heard)
	if err != nil {
		return err
	}
	defer backend.close()
	address, wanted := backend.url, []string{string(latchkey.EventAccountStatusChanged)}
	h := c.hooks(c.store)
	if _, err := h.CreateEndpoint(ctx, c.app, hooks.EndpointSpec{URL: &address, Events: &wanted}); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- h.Run(running) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()
	c.refuse.Store(true)
	defer c.refuse.Store(false)
	// One process sees all of it: one that has just begun would believe no refusal anyway.
	quiet, err := c.replicas(ctx, 1)
	if err != nil {
		return err
	}
	in, done, aside := careFigures{}, make(chan struct{}), make(chan error, 1)
	go func() { aside <- c.aside(ctx, &in, done) }()
	for range 3 {
		if err = c.idle(ctx); err != nil {
			break
		}
		c.offset.Add(int64(20 * time.Minute))
	}
	close(done)
	err = errors.Join(err, <-aside)
	quiet()
	if f.links = in.links; err != nil {
		return err
	}
	if err := c.countTold(ctx, f); err != nil {
		return err
	}
	return backend.await(ctx, f.outage+f.wronged)
}

// heard is the backend's webhook.
func (f *careFigures) heard(s *sink, w http.ResponseWriter, r *http.Request) {
	var m struct {
		Data struct {
			Status latchkey.AccountStatus `json:"status"`
		} `json:"data"`
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	switch m.Data.Status {
	case latchkey.AccountConnecting:
		f.toldOutage++
	case latchkey.AccountCredentials:
		f.toldWronged++
	}
	s.n++
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

func (c *care) countTold(ctx context.Context, f *careFigures) error {
	for before := ""; ; {
		list, err := c.store.Accounts().List(ctx, c.app, store.Page{Limit: 250, Before: before})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
		for _, a := range list {
			if a.Status == latchkey.AccountConnecting {
				f.outage++
			}
			if a.Status == latchkey.AccountCredentials {
				f.wronged++
			}
		}
		before = string(list[len(list)-1].ID)
	}
}
