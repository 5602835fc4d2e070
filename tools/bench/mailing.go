package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"latchkey/internal/mailer/mailertest"
)

// Targets of mail: from the request to the mail host's yes where that is farAway and the connection is warm,
// and what one application's hanging mail host may cost the others.
const (
	farAway      = 20 * time.Millisecond
	wantAccepted = 60 * time.Millisecond
	wantHanging  = 0.9
	samples      = 60
)

// mailing is what was measured of mail.
type mailing struct {
	accepted []time.Duration
	// calm and beside are sign-ins a second without and with a mail host that hangs.
	calm, beside []rate
}

// far forwards connections, and lets every byte take half of farAway each way.
type far struct {
	ln net.Listener
	to string
}

func newFar(to string) (*far, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed by close
	if err != nil {
		return nil, err
	}
	f := &far{ln: ln, to: to}
	go f.serve()
	return f, nil
}

func (f *far) serve() {
	for {
		near, err := f.ln.Accept()
		if err != nil {
			return
		}
		away, err := net.Dial("tcp", f.to) //nolint:noctx // both ends are ours
		if err != nil {
			_ = near.Close()
			continue
		}
		go delayed(away, near)
		go delayed(near, away)
	}
}

// delayed copies what comes, each piece half of farAway after it came.
func delayed(to, from net.Conn) {
	type piece struct {
		at time.Time
		b  []byte
	}
	line := make(chan piece, 1024)
	go func() {
		defer close(line)
		for {
			b := make([]byte, 16<<10)
			n, err := from.Read(b)
			if n > 0 {
				line <- piece{time.Now(), b[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range line {
		time.Sleep(time.Until(p.at.Add(farAway / 2)))
		if _, err := to.Write(p.b); err != nil {
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
}

// mailRoom is a server with a mail host of its own, and what is needed to set applications up on it.
type mailRoom struct {
	st     *stage
	server *process
	host   *mailertest.Server
	env    []string
	binary string
}

func (e *engineFigures) mailRoom(ctx context.Context, st *stage, name, binary string) (_ *mailRoom, err error) {
	r := &mailRoom{st: st, binary: binary}
	if r.host, err = mailertest.Start(mailertest.Config{Users: map[string]string{"bench": "bench"}}); err != nil {
		return nil, err
	}
	ca := filepath.Join(st.dir, name+".pem")
	if err := os.WriteFile(ca, r.host.CAPEM(), 0o600); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	r.env = append(st.environment(addr, filepath.Join(st.dir, name), ""), "LATCHKEY_CA_FILE="+ca, fmt.Sprintf("LATCHKEY_ALLOW_MAIL=127.0.0.0/8:%d", r.host.Port()),
		fmt.Sprintf("LATCHKEY_SMTP_URL=smtp+starttls://bench:bench@localhost:%d", r.host.Port()), "LATCHKEY_SMTP_FROM=Bench <login@bench.test>")
	if r.server, err = start(st.dir, name, addr, r.env, binary, "serve"); err != nil {
		return nil, err
	}
	return r, r.server.healthy(ctx, "/healthz")
}

// mailRows are the table's lines.
func (e *engineFigures) mailRows() []row {
	if len(e.mailing.accepted) == 0 {
		return nil
	}
	all := e.mailing.accepted
	p50, p99 := all[len(all)/2], all[len(all)*99/100]
	calm, beside := median(e.mailing.calm, perSecond), median(e.mailing.beside, perSecond)
	return []row{
		{
			e.name + ": request to the mail host's yes, 20 ms away, warm", "p50 ≤ 60 ms", ms(p50),
			fmt.Sprintf("p99 %s; %d mails one after another", ms(p99), len(all)), judge(p50 <= wantAccepted),
		},
		{
			e.name + ": sign-ins beside a mail host that hangs", "≥ 0.90 of without", ratio(beside, calm),
			fmt.Sprintf("%s and %s, %d interleaved rounds", count(beside), count(calm), len(e.mailing.beside)), judge(beside >= wantHanging*calm),
		},
	}
}

func (r *mailRoom) close() error { return errors.Join(r.server.stop(), r.host.Close()) }

// application makes an application, and returns its key.
func (r *mailRoom) application(ctx context.Context, name string) (string, error) {
	cmd := exec.CommandContext(ctx, r.binary, "app", "create", "--name", name, "--json")
	cmd.Env = r.env
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("app create: %w", err)
	}
	var made struct{ Key string }
	return made.Key, json.Unmarshal(out, &made)
}

// call asks the API, and wants a yes.
func (r *mailRoom) call(ctx context.Context, key, method, path, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.server.addr+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-API-KEY", key)
	req.Header.Set("Content-Type", "application/json")
	if key == "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		return errors.Join(err, fmt.Errorf("%s %s: %d %.300s", method, path, res.StatusCode, raw))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}

var proofLink = regexp.MustCompile(`http://[^\s"]+(/senders/[A-Za-z0-9_-]+)`)

// sender gives an application a sender of its own at a port, and has its address agree.
func (r *mailRoom) sender(ctx context.Context, key string, port int, at *mailertest.Server) error {
	before := len(at.Messages())
	var made struct{ ID string }
	body := fmt.Sprintf(`{"kind":"basic","sender_email":"own%d@bench.test","host":"localhost","port":%d,"username":"bench","password":"bench"}`, port, port)
	if err := r.call(ctx, key, "POST", "/v1/senders", body, &made); err != nil {
		return err
	}
	if _, err := arrival(ctx, at, before, ""); err != nil {
		return err
	}
	raw := bytes.ReplaceAll(at.Messages()[before].Raw, []byte("=\r\n"), nil)
	link := proofLink.FindSubmatch(raw)
	if link == nil {
		return fmt.Errorf("no link in %.500s", raw)
	}
	if err := r.call(ctx, "", "POST", string(link[1]), "", nil); err != nil {
		return err
	}
	return r.call(ctx, key, "PUT", "/v1/application", `{"sender":"`+made.ID+`"}`, nil)
}

// arrival waits for a mail after the first so many, to somebody or to anybody.
func arrival(ctx context.Context, at *mailertest.Server, before int, to string) (time.Time, error) {
	for {
		next := at.Arrived()
		for _, m := range at.Messages()[before:] {
			if to == "" || m.To == to {
				return m.At, nil
			}
		}
		select {
		case <-next:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

// acceptance measures from the request to the yes of a mail host that is far away.
func (e *engineFigures) acceptance(ctx context.Context, st *stage, binary string) (err error) {
	r, err := e.mailRoom(ctx, st, "mail-far", binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	line, err := newFar(fmt.Sprintf("127.0.0.1:%d", r.host.Port()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, line.ln.Close()) }()
	// The same server again, behind the line.
	port := line.ln.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it listens on TCP
	if err := r.server.stop(); err != nil {
		return err
	}
	r.env = append(r.env, fmt.Sprintf("LATCHKEY_SMTP_URL=smtp+starttls://bench:bench@localhost:%d", port))
	if r.server, err = start(st.dir, "mail-far", r.server.addr, r.env, binary, "serve"); err != nil {
		return err
	}
	if err := r.server.healthy(ctx, "/healthz"); err != nil {
		return err
	}
	for n := range samples + 1 {
		to := fmt.Sprintf("f%d@bench.test", n)
		before, began := len(r.host.Messages()), time.Now()
		if err := r.call(ctx, st.apiKey, "POST", "/v1/signins", `{"email":"`+to+`"}`, nil); err != nil {
			return err
		}
		at, err := arrival(ctx, r.host, before, to)
		if err != nil {
			return err
		}
		if n > 0 { // the first has to connect
			e.mailing.accepted = append(e.mailing.accepted, at.Sub(began)+farAway/2)
		}
	}
	slices.Sort(e.mailing.accepted)
	return nil
}

// hanging measures sign-ins of one application while another's mail host hangs, beside a server where none does.
func (e *engineFigures) hanging(ctx context.Context, o options, st *stage, binary string) (err error) {
	calm, err := e.mailRoom(ctx, st, "mail-calm", binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, calm.close()) }()
	beside, err := e.mailRoom(ctx, st, "mail-beside", binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, beside.close()) }()
	key, err := beside.application(ctx, "Stuck")
	if err != nil {
		return err
	}
	if err := beside.sender(ctx, key, beside.host.Port(), beside.host); err != nil {
		return err
	}
	beside.host.HangFor(fmt.Sprintf("own%d@bench.test", beside.host.Port()))
	for round := range o.rounds {
		for n := range 100 {
			if err := beside.call(ctx, key, "POST", "/v1/signins", fmt.Sprintf(`{"email":"s%d-%d@bench.test"}`, round, n), nil); err != nil {
				return err
			}
		}
		for room, into := range map[*mailRoom]*[]rate{calm: &e.mailing.calm, beside: &e.mailing.beside} {
			l := st.signInLoad(room.server)
			got, err := l.run(ctx, min(o.conns, signInConns), o.each, room.server)
			if err != nil {
				return err
			}
			*into = append(*into, got)
		}
	}
	return nil
}
