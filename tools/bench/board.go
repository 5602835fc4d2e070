package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/pgtest"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// wantBoard is what a page of the dashboard may take, at p99, of wantShown samples.
const (
	wantBoard = 50 * time.Millisecond
	wantShown = 300
)

// boardFigures are what pages of the dashboard take on one database.
type boardFigures struct {
	name     string
	accounts int
	pages    []boardPage
}

type boardPage struct {
	name, path string
	took       []time.Duration
	size       int
}

// measureBoards asks for pages as an operator does, of an application that has a lot of everything.
func measureBoards(ctx context.Context, o options, dir, binary string) ([]*boardFigures, error) {
	databases := []struct{ name, url string }{{"SQLite", ""}}
	if o.postgres {
		u, err := pgtest.Start(true)
		if err != nil {
			return nil, err
		}
		databases = append(databases, struct{ name, url string }{"PostgreSQL", u})
	}
	var out []*boardFigures
	for _, d := range databases {
		f, err := measureBoard(ctx, d.name, filepath.Join(dir, "board-"+d.name), d.url, binary, o.accounts)
		if err != nil {
			return nil, fmt.Errorf("dashboard on %s: %w", d.name, errors.Join(err, context.Cause(ctx)))
		}
		out = append(out, f)
	}
	return out, nil
}

func measureBoard(ctx context.Context, name, data, database, binary string, n int) (f *boardFigures, err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	say("%s: an application with %d accounts, and %d links, deliveries and lines of the audit trail", name, n, n/rest)
	master := secret.NewMasterKey()
	full, err := fillBoard(ctx, data, database, master, n)
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := start(data, "board", addr, []string{
		"LATCHKEY_LISTEN=" + addr, "LATCHKEY_BASE_URL=http://" + addr, "LATCHKEY_DATA=" + data, "LATCHKEY_DATABASE_URL=" + database,
		"LATCHKEY_MASTER_KEY=" + master.Encode(), "LATCHKEY_ADDRESS_RATE=0", "LATCHKEY_ISPDB_URL=off",
	}, binary, "serve")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.healthy(ctx, "/readyz"); err != nil {
		return nil, err
	}
	client, err := enter(ctx, data, "http://"+addr)
	if err != nil {
		return nil, err
	}
	at := "http://" + addr + "/dashboard/apps/" + string(full.app)
	f = &boardFigures{name: name, accounts: n, pages: []boardPage{
		{name: "overview"},
		{name: "accounts", path: "/accounts"},
		{name: "accounts of one status", path: "/accounts?status=CREDENTIALS"},
		{name: "accounts, deep", path: "/accounts?before=" + string(full.deep)},
		{name: "an account", path: "/accounts/" + string(full.deep)},
		{name: "links", path: "/links"},
		{name: "links of one status", path: "/links?status=completed"},
		{name: "links of one name", path: "/links?name=user-75"},
		{name: "a webhook's log", path: "/webhooks/" + string(full.hook)},
		{name: "audit trail", path: "/audit"},
	}}
	for i := range f.pages {
		page := &f.pages[i]
		for sample := range wantShown + 20 {
			took, size, err := ask(ctx, client, at+page.path)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", page.name, err)
			}
			if page.size = size; sample >= 20 {
				page.took = append(page.took, took)
			}
		}
	}
	return f, nil
}

// filled says what lies where.
type filled struct {
	app  latchkey.ApplicationID
	deep latchkey.AccountID
	hook latchkey.EndpointID
}

func fillBoard(ctx context.Context, data, database string, master secret.MasterKey, n int) (out filled, err error) {
	db, err := sqlstore.OpenDatabase(ctx, sqlstore.Options{URL: database, Path: filepath.Join(data, "latchkey.db"), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return out, err
	}
	ring, err := secret.LoadOrCreate(ctx, db.Keysets(), master, time.Now)
	if err != nil {
		return out, errors.Join(err, db.Close())
	}
	st, err := sqlstore.NewStore(db, ring)
	if err != nil {
		return out, errors.Join(err, db.Close())
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	began := time.Now().Add(-20 * 24 * time.Hour).Truncate(time.Millisecond)
	out.app, out.hook = latchkey.NewApplicationID(began), latchkey.NewEndpointID(began)
	if err := st.Applications().Create(ctx, latchkey.Application{ID: out.app, Name: "Northwind", CreatedAt: began}); err != nil {
		return out, err
	}
	err = st.Endpoints().Create(ctx, latchkey.Endpoint{
		ID: out.hook, ApplicationID: out.app, Name: "Backend", URL: "http://127.0.0.1:9/hook", Events: []string{"*"}, Payload: latchkey.PayloadNative,
		Secret: "whsec_x", Paused: latchkey.PausedByOwner, PausedAt: began, CreatedAt: began, UpdatedAt: began,
	})
	if err != nil {
		return out, err
	}
	return out, side(64, n, func(i int) error {
		// Everything is of another moment, over some days.
		at := began.Add(time.Duration(i) * 15 * time.Second)
		id := latchkey.NewAccountID(at)
		if i == n/10 {
			out.deep = id // nobody else has this i
		}
		return fillOne(ctx, st, out.app, out.hook, id, i, at)
	})
}

// rest is how many accounts there are for each link, delivery and line of the audit trail.
const rest = 5

// fillOne writes an account with what led to it and came of it.
func fillOne(ctx context.Context, st store.Store, app latchkey.ApplicationID, hook latchkey.EndpointID, id latchkey.AccountID, i int, at time.Time) error {
	status := latchkey.AccountOK
	if i%20 == 0 {
		status = latchkey.AccountCredentials
	}
	done := latchkey.LinkCompleted
	if i%3 == 0 {
		done = latchkey.LinkExpired
	}
	err := st.Accounts().Create(ctx, latchkey.Account{
		ID: id, ApplicationID: app, Provider: latchkey.IMAP, Name: "Ada Lovelace", Identity: fmt.Sprintf("u%d@bench.test", i), ExternalID: fmt.Sprintf("user-%d", i),
		Proof: latchkey.ProofTyped, Status: status, StatusAt: at, Secret: make([]byte, 300), Params: json.RawMessage(`{}`), CreatedAt: at, UpdatedAt: at,
		CheckAt: time.Now().Add(24 * time.Hour),
	})
	if err != nil {
		return err
	}
	if i%rest != 0 {
		return nil
	}
	err = st.Links().Create(ctx, latchkey.Link{
		ID: latchkey.NewLinkID(at), ApplicationID: app, TokenHash: random(32), Name: fmt.Sprintf("user-%d", i), Type: latchkey.LinkCreate, Dialect: latchkey.DialectLink,
		Status: done, AccountID: id, CreatedAt: at, UpdatedAt: at, ExpiresAt: at.Add(time.Hour), Terms: latchkey.LinkTerms{Providers: []string{"*"}},
	})
	if err != nil {
		return err
	}
	err = st.Deliveries().Create(ctx, latchkey.Delivery{
		ID: latchkey.NewDeliveryID(at), ApplicationID: app, EndpointID: hook, EventID: latchkey.NewEventID(at), AccountID: id, EventType: latchkey.EventAccountConnected,
		Payload: []byte(`{"type":"account.connected"}`), Status: latchkey.DeliveryDelivered, Queue: string(hook), Ordinal: at, CreatedAt: at, UpdatedAt: at,
	})
	if err != nil {
		return err
	}
	return st.Audit().Add(ctx, latchkey.AuditEntry{
		ID: latchkey.NewAuditID(at), ApplicationID: app, At: at, Actor: latchkey.ActorKey, ActorID: "key_x", Action: "create_link", Target: string(id), Outcome: "ok", Count: 1,
	})
}

// enter becomes the first operator.
func enter(ctx context.Context, data, base string) (*http.Client, error) {
	text, err := os.ReadFile(filepath.Join(data, "first-operator"))
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	form := strings.NewReader(url.Values{"email": {"ada@bench.test"}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, regexp.MustCompile(`http\S+`).FindString(string(text)), form)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", base)
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("signing in: %s", res.Status)
	}
	return client, nil
}

// ask loads a page whole.
func ask(ctx context.Context, client *http.Client, address string) (time.Duration, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(res.Status)
	}
	return time.Since(began), len(body), err
}

func (f *boardFigures) rows() (rows []row) {
	for _, p := range f.pages {
		rows = append(rows, row{
			fmt.Sprintf("dashboard, %s, %d accounts: %s", f.name, f.accounts, p.name), "≤ 50 ms at p99", ms(quantile(p.took, 0.99)) + " at p99",
			fmt.Sprintf("p50 %s, %d KiB, of %d", ms(quantile(p.took, 0.5)), p.size>>10, len(p.took)), judge(quantile(p.took, 0.99) <= wantBoard),
		})
	}
	return rows
}
