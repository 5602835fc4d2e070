package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/hooks"
	"latchkey/internal/safehttp"
	"latchkey/internal/store"
)

// listenCmd brings deliveries to a developer's machine, which nobody can reach from outside.
type listenCmd struct {
	App        string   `default:"default" help:"Application, by id or name, where it runs beside the server."`
	Server     string   `placeholder:"URL" help:"Base URL of a server elsewhere; asked with --key."`
	Key        string   `env:"LATCHKEY_LISTEN_KEY" placeholder:"KEY" help:"API key with the permission webhooks, for --server."`
	Events     []string `help:"Patterns such as account.* or link.completed; all events if left out."`
	Forward    string   `placeholder:"URL" help:"Post each event here as well, signed as a real delivery."`
	SecretFile string   `placeholder:"FILE" help:"File with the whsec_ secret that signs what is forwarded. Default: one is made, and printed."`
	JSON       bool     `name:"json" help:"Print each message as a line of JSON."`
}

const (
	// listenWait is how long the server may keep a request that waits.
	listenWait = 20
	listenLook = 250 * time.Millisecond
	// listenFor is how long after a look this still counts as listening.
	listenFor     = time.Minute
	listenPage    = 250
	listenTimeout = 40 * time.Second
	// listenAgain is the pause after a server did not answer.
	listenAgain = 2 * time.Second
)

// follower waits for what happens next.
type follower interface {
	next(ctx context.Context) ([]hooks.Message, error)
}

// Run prints until it is told to stop.
func (l listenCmd) Run(c *console, cfg *config.Config) error {
	for _, p := range l.Events {
		if !latchkey.KnownPattern(p) {
			return fmt.Errorf("there are no events %q; docs/notifications.md lists them", p)
		}
	}
	client, err := l.client(cfg, c)
	if err != nil {
		return err
	}
	secret, err := l.secret(c)
	if err != nil {
		return err
	}
	if l.Server != "" {
		base, err := url.Parse(strings.TrimRight(l.Server, "/"))
		if err != nil || base.Host == "" || l.Key == "" {
			return errors.New("--server needs the server's base URL, and --key one of its API keys")
		}
		return l.listen(c, &remote{client: client, base: base.String(), key: l.Key, events: l.Events}, client, secret)
	}
	return withExisting(c, cfg, func(in *installation) error {
		app, err := in.apps.Find(c.ctx, l.App)
		if err != nil {
			return err
		}
		return l.listen(c, &beside{in: in, app: app, events: l.Events, after: latchkey.EventIDAt(in.now())}, client, secret)
	})
}

// client goes anywhere but where no list leads: it is the developer who names the addresses.
func (l listenCmd) client(cfg *config.Config, c *console) (*http.Client, error) {
	out, err := safehttp.New(safehttp.Config{
		AllowWebhook: []string{"0.0.0.0/0", "::/0"}, CAFile: cfg.CAFile, DNSServer: cfg.DNSServer, Now: c.now, Log: newLogger(cfg, c.err),
	})
	if err != nil {
		return nil, err
	}
	return out.Client(safehttp.Webhook, safehttp.ClientOptions{Timeout: listenTimeout, MaxBody: 8 << 20}), nil
}

func (l listenCmd) secret(c *console) (string, error) {
	if l.Forward == "" {
		return "", nil
	}
	if l.SecretFile == "" {
		s := hooks.NewSecret()
		_, _ = fmt.Fprintf(c.err, "forwarded events are signed with %s\n", s)
		return s, nil
	}
	text, err := os.ReadFile(l.SecretFile)
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(text))
	return s, hooks.CheckSecret(s)
}

func (l listenCmd) listen(c *console, f follower, client *http.Client, secret string) error {
	_, _ = fmt.Fprintln(c.err, "listening; end it with Ctrl-C")
	for {
		messages, err := f.next(c.ctx)
		if c.ctx.Err() != nil {
			return nil //nolint:nilerr // being stopped is how it ends
		}
		if err != nil {
			return err
		}
		for _, m := range messages {
			if err := l.tell(c, m, client, secret); err != nil {
				return err
			}
		}
	}
}

// tell prints a message and forwards it.
func (l listenCmd) tell(c *console, m hooks.Message, client *http.Client, secret string) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if l.JSON {
		c.printf("%s\n", visible(string(body)))
	} else {
		c.printf("%s  %-24s %s  %s\n", m.CreatedAt, visible(string(m.Type)), visible(string(m.ID)), visible(string(m.Data)))
	}
	if l.Forward == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, l.Forward, bytes.NewReader(body))
	if err != nil {
		return errors.New("--forward is not an address that can be called")
	}
	begun := c.now()
	req.Header.Set("Content-Type", "application/json")
	if err := hooks.Sign(req.Header, secret, string(m.ID), begun, body); err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		_, _ = fmt.Fprintf(c.err, "  ✗ not forwarded: %s\n", safehttp.Explain(err).Detail)
		return nil
	}
	_, _ = io.Copy(io.Discard, res.Body) // the status is what counts
	_ = res.Body.Close()
	_, _ = fmt.Fprintf(c.err, "  → %d in %s\n", res.StatusCode, c.now().Sub(begun).Round(time.Millisecond))
	return nil
}

// visible shows what came from elsewhere without what a terminal would obey, or what turns a line around:
// as JSON writes it, so that JSON stays JSON.
func visible(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if !hidden(r) {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, "\\u%04x", u)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }

// beside reads the database of a running server.
type beside struct {
	in     *installation
	app    latchkey.Application
	events []string
	after  latchkey.EventID
}

func (b *beside) next(ctx context.Context) ([]hooks.Message, error) {
	look := time.NewTicker(listenLook)
	defer look.Stop()
	for {
		until, err := b.in.store.Applications().FollowedUntil(ctx, b.app.ID)
		if err == nil && until.Sub(b.in.now()) < listenFor/2 {
			err = b.in.store.Applications().Follow(ctx, b.app.ID, b.in.now().Add(listenFor))
		}
		if err != nil {
			return nil, err
		}
		events, err := b.in.store.Events().List(ctx, b.app.ID, store.EventFilter{}, b.after, listenPage)
		if err != nil {
			return nil, err
		}
		var out []hooks.Message
		for _, e := range events {
			b.after = e.ID
			if !wanted(b.events, e.Type) {
				continue
			}
			m, err := hooks.NewMessage(e, b.app.Test)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
		}
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
		}
	}
}

func wanted(patterns []string, t latchkey.EventType) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return latchkey.MatchEvent(p, t) })
}

// remote asks a server's API.
type remote struct {
	client    *http.Client
	base, key string
	events    []string
	after     string
}

// answeredEvent is an event as the API shows it.
type answeredEvent struct {
	ID        latchkey.EventID   `json:"id"`
	Type      latchkey.EventType `json:"type"`
	CreatedAt time.Time          `json:"created_at"`
	Sequence  int64              `json:"sequence"`
	LinkID    latchkey.LinkID    `json:"link_id"`
	AccountID latchkey.AccountID `json:"account_id"`
	Data      json.RawMessage    `json:"data"`
}

func (r *remote) next(ctx context.Context) ([]hooks.Message, error) {
	ask := map[string]any{"wait": listenWait}
	if r.after != "" {
		ask["after"] = r.after
	}
	if len(r.events) > 0 {
		ask["events"] = r.events
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+"/v1/events/listen", bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("--server is not an address that can be called")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-API-KEY", r.key) //nolint:canonicalheader // as it is documented
	res, err := r.client.Do(req)
	if err != nil {
		return nil, r.pause(ctx, safehttp.Explain(err))
	}
	defer func() { _ = res.Body.Close() }() // it has been read
	if res.StatusCode >= http.StatusInternalServerError || res.StatusCode == http.StatusTooManyRequests {
		return nil, r.pause(ctx, nil)
	}
	var page struct {
		Items  []answeredEvent `json:"items"`
		After  string          `json:"after"`
		Test   bool            `json:"test"`
		Detail string          `json:"detail"`
	}
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered with status %d: %s", res.StatusCode, page.Detail)
	}
	r.after = page.After
	out := make([]hooks.Message, 0, len(page.Items))
	for _, e := range page.Items {
		m, err := hooks.NewMessage(latchkey.Event{
			ID: e.ID, Type: e.Type, CreatedAt: e.CreatedAt, Sequence: e.Sequence, LinkID: e.LinkID, AccountID: e.AccountID, Data: e.Data,
		}, page.Test)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// pause lets a server come back. A first question that is not answered is a mistake of the caller's.
func (r *remote) pause(ctx context.Context, why error) error {
	if r.after == "" && why != nil {
		return fmt.Errorf("the server does not answer: %w", why)
	}
	wait := time.NewTimer(listenAgain)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	}
	return nil
}
