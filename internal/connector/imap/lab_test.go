package imap_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"maps"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/imap"
	"latchkey/internal/connector/imap/mailhost"
	"latchkey/internal/errs"
	"latchkey/internal/safehttp"
)

const (
	email    = "maria@demo.test"
	password = "correct horse " + canary
	canary   = "kanari-Ω-4711"
)

// lab is the connector as the composition root makes it, in front of a mail host and a name server.
type lab struct {
	t    *testing.T
	host *mailhost.Host
	conn *imap.Connector
	now  time.Time
	log  *bytes.Buffer

	mu    sync.Mutex
	shown []connector.Step // what was reported while Works were done
}

type dialer struct{ egress *safehttp.Egress }

func (d dialer) DialContext(ctx context.Context, network, at string) (net.Conn, error) {
	return d.egress.DialContext(ctx, safehttp.Mail, network, at)
}

type resolver struct{ egress *safehttp.Egress }

func (r resolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	return r.egress.LookupMX(ctx, name)
}

func (r resolver) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	srv, err := r.egress.LookupSRV(ctx, service, proto, name)
	return "", srv, err
}

type option func(h *mailhost.Host, cfg *imap.Config, zone *[]string)

// alsoTrusting makes the lab trust another host's authority besides its own.
func alsoTrusting(h *mailhost.Host) option {
	return func(_ *mailhost.Host, cfg *imap.Config, _ *[]string) {
		cfg.TLS = func(string) *tls.Config {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(h.CAPEM())
			return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		}
	}
}

// bare is a connector that reaches nothing, for deciding alone.
func bare() *imap.Connector {
	return imap.New(imap.Config{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
}

func newLab(t *testing.T, options ...option) *lab {
	t.Helper()
	h, err := mailhost.Start(mailhost.Config{
		Users: map[string]string{email: password, "send@demo.test": "only"}, Names: []string{"mail.demo.test", "other.demo.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	l := &lab{t: t, host: h, now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), log: &bytes.Buffer{}}
	zone := append(h.Zone("demo.test", "mail.demo.test"),
		"other.demo.test. 60 IN A 127.0.0.1", "firm.test. 60 IN MX 1 aspmx.l.google.com.", "quiet.test. 60 IN MX 10 mail.protonmail.ch.")
	cfg := imap.Config{
		ISPDBURL: "off", Now: func() time.Time { return l.now }, Log: slog.New(slog.NewTextHandler(l.log, nil)),
	}
	for _, o := range options {
		o(h, &cfg, &zone)
	}
	dns, err := mailhost.StartDNS("", zone...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.CAPEM())
	if cfg.TLS != nil {
		roots = cfg.TLS("").RootCAs.Clone()
		roots.AppendCertsFromPEM(h.CAPEM())
	}
	egress, err := safehttp.New(safehttp.Config{
		AllowMail: []string{"127.0.0.0/8"}, RootCAs: roots, DNSServer: dns.Addr(),
		Now: time.Now, Log: cfg.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Dial, cfg.Resolve, cfg.TLS = dialer{egress}, resolver{egress}, egress.TLSConfig
	cfg.Fetch = egress.Client(safehttp.Discovery, safehttp.ClientOptions{Timeout: 3 * time.Second, MaxRedirects: 2})
	l.conn = imap.New(cfg)
	return l
}

// Show is the lab's ear while a Work is done.
func (l *lab) Show(_ context.Context, s connector.Step) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown = append(l.shown, s)
	return nil
}

func (l *lab) Next(ctx context.Context) (connector.Input, error) {
	<-ctx.Done()
	return connector.Input{}, ctx.Err()
}

// begin starts a flow and does what there is to do.
func (l *lab) begin(start connector.Start) connector.Turn {
	l.t.Helper()
	if start.LinkID == "" {
		start.LinkID = "lnk_1"
	}
	turn, err := l.conn.Begin(start)
	return l.settle(turn, err)
}

// settle does Works until somebody is asked or all is over, and keeps turns as the engine does.
func (l *lab) settle(turn connector.Turn, err error) connector.Turn {
	l.t.Helper()
	for {
		if err != nil {
			l.t.Fatal(err)
		}
		b, err2 := json.Marshal(turn)
		if err2 != nil {
			l.t.Fatal(err2)
		}
		if turn.Step != nil {
			l.noSecrets(*turn.Step)
		}
		var kept connector.Turn
		if err2 := json.Unmarshal(b, &kept); err2 != nil {
			l.t.Fatal(err2)
		}
		kept.Grant = turn.Grant
		if kept.Work == nil {
			return kept
		}
		l.noSecrets(kept.Work.Show)
		ctx, cancel := context.WithTimeout(l.t.Context(), kept.Work.Deadline)
		turn, err = l.conn.Do(ctx, *kept.Work, l)
		cancel()
	}
}

// noSecrets looks for the password in what is shown.
func (l *lab) noSecrets(s connector.Step) {
	l.t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		l.t.Fatal(err)
	}
	if bytes.Contains(b, []byte(canary)) {
		l.t.Fatalf("the step shows the password: %s", b)
	}
}

// answer answers the step of a turn.
func (l *lab) answer(turn connector.Turn, values map[string]string) connector.Turn {
	l.t.Helper()
	return l.act(turn, connector.ActSubmit, values)
}

func (l *lab) act(turn connector.Turn, a connector.Action, values map[string]string) connector.Turn {
	l.t.Helper()
	if turn.Step == nil {
		l.t.Fatalf("nothing is asked: %+v", turn)
	}
	next, err := l.conn.Resume(turn.State, connector.Input{StepID: turn.Step.ID, Action: a, Values: values})
	return l.settle(next, err)
}

// at checks which step is asked, and with which errors ("field:code").
func (l *lab) at(turn connector.Turn, id string, issues ...string) connector.Turn {
	l.t.Helper()
	if turn.Step == nil || turn.Step.ID != id {
		l.t.Fatalf("want step %s, have step %+v, failure %+v, switch %+v, granted %v", id, turn.Step, turn.Failure, turn.Switch, turn.Grant != nil)
	}
	var have []string
	for _, e := range turn.Step.Errors {
		have = append(have, e.Field+":"+string(e.Code))
	}
	if strings.Join(have, " ") != strings.Join(issues, " ") {
		l.t.Fatalf("step %s has errors %v, want %v", id, have, issues)
	}
	return turn
}

// granted checks that a turn is a grant.
func (l *lab) granted(turn connector.Turn) *connector.Grant {
	l.t.Helper()
	if turn.Grant == nil {
		l.t.Fatalf("no grant: step %+v, failure %+v", turn.Step, turn.Failure)
	}
	return turn.Grant
}

func (l *lab) failed(turn connector.Turn, c errs.Code) {
	l.t.Helper()
	if turn.Failure == nil || turn.Failure.Code != c {
		l.t.Fatalf("want failure %s, have %+v", c, turn)
	}
}

// field returns a field of a step.
func field(t *testing.T, s *connector.Step, name string) connector.Field {
	t.Helper()
	for _, f := range s.Fields {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("step %s has no field %s", s.ID, name)
	return connector.Field{}
}

func hasField(s *connector.Step, name string) bool {
	for _, f := range s.Fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

func optionIDs(s *connector.Step) string {
	var out []string
	for _, o := range s.Options {
		id := o.ID
		if o.Primary {
			id += "*"
		}
		out = append(out, id)
	}
	return strings.Join(out, " ")
}

// typed are the settings of the lab's host as somebody would type them, with changes.
func (l *lab) typed(change map[string]string) map[string]string {
	v := map[string]string{
		"password": password, "imap_host": "mail.demo.test", "imap_port": strconv.Itoa(l.host.Port(mailhost.IMAPS)), "imap_encryption": "tls", "imap_user": email,
		"smtp_host": "mail.demo.test", "smtp_port": strconv.Itoa(l.host.Port(mailhost.SMTPS)), "smtp_encryption": "tls", "smtp_user": email,
	}
	maps.Copy(v, change)
	return v
}

// prior makes the account of a grant, to be mended.
func prior(g *connector.Grant, sources ...latchkey.Source) *connector.Prior {
	if sources == nil {
		sources = g.Sources
	}
	return &connector.Prior{
		AccountID: "acc_1", Identity: g.Identity, Name: g.Name, Status: latchkey.AccountCredentials,
		Reason: latchkey.ReasonPasswordChanged, Sources: sources, Params: g.Params, Secret: g.Secret,
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
