package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"latchkey/internal/connector/whatsapp/sim"
)

// The targets of accounts that are connected by a phone.
const (
	wantFirstCode  = 300 * time.Millisecond
	wantScanned    = 500 * time.Millisecond
	wantEach       = 300_000 // bytes of memory for an idle session
	wantReconnect  = time.Minute
	showing        = 300
	linked         = 2000
	firstCodeLasts = 60 * time.Second
)

// phoneFigures are what phones cost.
type phoneFigures struct {
	alone, scanned    []time.Duration // first codes, and scans, one after the other
	codes, scans      []time.Duration // of flows side by side
	renewed, flows    int
	showCPU           float64 // of one processor, while all codes are shown
	each              float64 // bytes of an idle session
	sessions          int
	restarted, killed reconnection
	idleCPU           float64 // of one processor
	connectCPU        time.Duration
}

// reconnection is how sessions came back.
type reconnection struct {
	took time.Duration
	// second is how many came in each second, from the first one on.
	second []int
	first  time.Duration
}

// phones measures WhatsApp accounts on a server of their own, on SQLite, against the simulated WhatsApp in
// this process, whose time is not counted.
func phones(ctx context.Context, dir, binary, profile string) (f phoneFigures, err error) {
	s, err := sim.Start(sim.Config{FirstRef: firstCodeLasts})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	p := &phoneStage{profile: profile, sim: s, dir: dir, binary: binary, data: filepath.Join(dir, "phones"), key: fmt.Sprintf("%x", random(24))}
	defer p.http.CloseIdleConnections()
	p.http.Transport = &http.Transport{MaxIdleConnsPerHost: showing, MaxConnsPerHost: showing}
	if p.addr, err = freeAddr(); err != nil {
		return f, err
	}
	if err := p.start(ctx); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, p.server.stop()) }()
	say("phones: %d codes at once, for longer than a minute", showing)
	if err := p.show(ctx, &f); err != nil {
		return f, err
	}
	say("phones: %d linked accounts, restarted", linked)
	if err := p.restart(ctx, &f); err != nil {
		return f, err
	}
	say("phones: killed")
	return f, p.kill(ctx, &f)
}

// phoneStage is a server and the simulated phones.
type phoneStage struct {
	sim            *sim.Sim
	dir, data, key string
	binary, addr   string
	server         *process
	have           int // linked accounts
	// profile is where profiles are written, if they are.
	profile, profiler string
	http              http.Client
}

func number(i int) string { return fmt.Sprintf("49151%08d", i) }

func (p *phoneStage) start(ctx context.Context) error {
	program, args := p.binary, []string{"serve"}
	if p.profile != "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if p.profiler, err = freeAddr(); err != nil {
			return err
		}
		program, args = self, []string{"role:server", p.profiler, "serve"}
	}
	server, err := start(p.dir, "phones", p.addr, []string{
		"LATCHKEY_LISTEN=" + p.addr, "LATCHKEY_DATA=" + p.data, "LATCHKEY_API_KEY=" + p.key, "LATCHKEY_ADDRESS_RATE=0",
		"LATCHKEY_WHATSAPP_ADDR=" + p.sim.Addr(), "LATCHKEY_WHATSAPP_ROOT_KEY=" + p.sim.RootKey(),
	}, program, args...)
	if err != nil {
		return err
	}
	p.server = server
	return server.healthy(ctx, "/healthz")
}

// checkpoint is what the API answers about a flow.
type checkpoint struct {
	AccountID  string `json:"account_id"`
	Checkpoint struct {
		Payload string
	}
	status int
}

func (p *phoneStage) ask(ctx context.Context, path string, body any) (c checkpoint, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return c, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.addr+path, bytes.NewReader(raw))
	if err != nil {
		return c, err
	}
	req.Header.Set("X-API-KEY", p.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := p.http.Do(req)
	if err != nil {
		return c, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s: %d %s", path, res.StatusCode, text)
	}
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	c.status = res.StatusCode
	return c, err
}

// begin opens a flow and waits until its code is there.
func (p *phoneStage) begin(ctx context.Context) (checkpoint, time.Duration, error) {
	began := time.Now()
	c, err := p.ask(ctx, "/v1/accounts", map[string]string{"provider": "WHATSAPP"})
	for err == nil && c.Checkpoint.Payload == "" {
		if err = wait(ctx, 5*time.Millisecond); err == nil {
			c, err = p.ask(ctx, "/v1/accounts/checkpoint", map[string]string{"account_id": c.AccountID})
		}
	}
	return c, time.Since(began), err
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// beside runs fn n times at once.
func beside(n int, fn func(i int) (time.Duration, error)) ([]time.Duration, error) {
	took, fails := make([]time.Duration, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { took[i], fails[i] = fn(i) })
	}
	wg.Wait()
	return took, errors.Join(fails...)
}

// show has many flows show their codes, renew them, and then be scanned at once.
func (p *phoneStage) show(ctx context.Context, f *phoneFigures) error {
	const alone = 20
	shown := make([]checkpoint, showing)
	var err error
	for i := range alone {
		var took time.Duration
		if shown[i], took, err = p.begin(ctx); err != nil {
			return err
		}
		f.alone = append(f.alone, took)
	}
	f.codes, err = beside(showing-alone, func(i int) (took time.Duration, err error) {
		shown[alone+i], took, err = p.begin(ctx)
		return took, err
	})
	if err != nil {
		return err
	}
	f.flows = p.sim.Waiting()
	before, err := p.server.cpu()
	if err != nil {
		return err
	}
	from := time.Now()
	if err := wait(ctx, firstCodeLasts+3*time.Second); err != nil {
		return err
	}
	after, err := p.server.cpu()
	if err != nil {
		return err
	}
	f.showCPU = float64(after-before) / float64(time.Since(from))
	for i := range shown {
		now, err := p.ask(ctx, "/v1/accounts/checkpoint", map[string]string{"account_id": shown[i].AccountID})
		if err != nil {
			return err
		}
		if now.Checkpoint.Payload != "" && now.Checkpoint.Payload != shown[i].Checkpoint.Payload {
			f.renewed++
		}
		shown[i] = now
		p.sim.AddPhone(sim.Phone{Number: number(i)})
	}
	for i := range alone {
		took, err := p.scan(ctx, i, shown[i])
		if err != nil {
			return err
		}
		f.scanned = append(f.scanned, took)
	}
	f.scans, err = beside(showing-alone, func(i int) (time.Duration, error) { return p.scan(ctx, alone+i, shown[alone+i]) })
	p.have = showing
	// A new device leaves its one-time keys with its first connection; that is not to be measured again.
	for i := 0; i < p.have && err == nil; {
		if p.sim.PreKeys(number(i)) > 0 {
			i++
			continue
		}
		err = wait(ctx, 20*time.Millisecond)
	}
	return err
}

// scan holds a phone before a code, and waits until the application is told that it is connected.
func (p *phoneStage) scan(ctx context.Context, i int, shown checkpoint) (time.Duration, error) {
	began := time.Now()
	err := p.sim.Scan(number(i), shown.Checkpoint.Payload)
	for errors.Is(err, sim.ErrNoCode) && ctx.Err() == nil { // it was renewed meanwhile: people scan what they see
		if shown, err = p.ask(ctx, "/v1/accounts/checkpoint", map[string]string{"account_id": shown.AccountID}); err == nil {
			began = time.Now()
			err = p.sim.Scan(number(i), shown.Checkpoint.Payload)
		}
	}
	if err != nil {
		return 0, err
	}
	for {
		c, err := p.ask(ctx, "/v1/accounts/checkpoint", map[string]string{"account_id": shown.AccountID})
		if err != nil || c.status == http.StatusCreated {
			return time.Since(began), err
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// back waits until so many sessions are connected.
func (p *phoneStage) back(ctx context.Context, began time.Time, already int) (r reconnection, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*wantReconnect)
	defer cancel()
	for p.sim.Connected() < linked {
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return r, fmt.Errorf("%d of %d sessions connected: %w; %s", p.sim.Connected(), linked, err, p.server.lastLines())
		}
	}
	r.took = time.Since(began)
	logins := p.sim.Logins()[already:]
	r.first = logins[0].Sub(began)
	for _, at := range logins {
		n := int(at.Sub(logins[0]) / time.Second)
		for len(r.second) <= n {
			r.second = append(r.second, 0)
		}
		r.second[n]++
	}
	return r, nil
}

// restart stops the server as an operator does, gives it more linked accounts, and starts it.
func (p *phoneStage) restart(ctx context.Context, f *phoneFigures) error {
	if err := p.server.stop(); err != nil {
		return err
	}
	if err := p.adopt(ctx); err != nil {
		return err
	}
	syscall.Sync() // what was just written is not the server's to wait for
	empty, err := p.emptyMemory(ctx)
	if err != nil {
		return err
	}
	already, began := len(p.sim.Logins()), time.Now()
	if err := p.start(ctx); err != nil {
		return err
	}
	profiled := p.profiled(ctx, "reconnect", "profile?seconds=20")
	if f.restarted, err = p.back(ctx, began, already); err != nil {
		return err
	}
	if err := <-profiled; err != nil {
		return err
	}
	used, err := p.server.cpu()
	if err != nil {
		return err
	}
	f.connectCPU = used / linked
	// Long enough for the server to have been given its garbage back, and for keep-alives.
	if err := wait(ctx, settleTime); err != nil {
		return err
	}
	if err := errors.Join(<-p.profiled(ctx, "idle", "heap?gc=1"), <-p.profiled(ctx, "idle-goroutines", "goroutine")); err != nil {
		return err
	}
	rss, err := p.server.memory()
	if err != nil {
		return err
	}
	f.sessions, f.each = p.sim.Connected(), float64(rss-empty)/linked
	idle, err := p.server.cpu()
	f.idleCPU = float64(idle-used) / float64(settleTime)
	return err
}

// profiled writes a profile, if there are to be any.
func (p *phoneStage) profiled(ctx context.Context, name, what string) <-chan error {
	done := make(chan error, 1)
	if p.profile == "" {
		done <- nil
		return done
	}
	go func() {
		done <- fetchProfile(ctx, "http://"+p.profiler+"/debug/pprof/"+what, filepath.Join(p.profile, "phones-"+name+".pprof"))
	}()
	return done
}

const settleTime = 20 * time.Second

// emptyMemory is what a server without an account needs.
func (p *phoneStage) emptyMemory(ctx context.Context) (int64, error) {
	other := *p
	other.data = filepath.Join(p.dir, "nobody")
	if err := os.MkdirAll(other.data, 0o700); err != nil {
		return 0, err
	}
	if err := other.start(ctx); err != nil {
		return 0, err
	}
	if err := wait(ctx, 3*time.Second); err != nil {
		return 0, err
	}
	rss, err := other.server.memory()
	return rss, errors.Join(err, other.server.stop())
}

// kill ends the server as a power cut does.
func (p *phoneStage) kill(ctx context.Context, f *phoneFigures) (err error) {
	if err := p.server.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.server.gone
	for p.sim.Connected() > 0 {
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	already, began := len(p.sim.Logins()), time.Now()
	if err := p.start(ctx); err != nil {
		return err
	}
	f.killed, err = p.back(ctx, began, already)
	return err
}

// printPhones writes the table of phones alone.
func printPhones(w io.Writer, f phoneFigures) bool {
	rows := f.rows()
	fmt.Fprintf(w, "%s\n\n", describeMachine())
	writeTable(w, rows)
	fmt.Fprintf(w, "\nSessions connected in each second, from the first on: after a restart %v, after kill -9 %v.\n", f.restarted.second, f.killed.second)
	return !slices.ContainsFunc(rows, func(r row) bool { return r.verdict == miss })
}

func (f *phoneFigures) rows() []row {
	evenly := func(r reconnection) row {
		most := slices.Max(r.second)
		fair := float64(linked) / float64(len(r.second))
		return row{
			target: "all in ≤ 60 s, at most twice the average in a second", figure: r.took.Round(100 * time.Millisecond).String(),
			beside:  fmt.Sprintf("the first after %s; at most %d in a second, %.0f on average", r.first.Round(10*time.Millisecond), most, fair),
			verdict: judge(r.took <= wantReconnect && float64(most) <= 2*fair),
		}
	}
	restarted, killed := evenly(f.restarted), evenly(f.killed)
	restarted.what, killed.what = fmt.Sprintf("WhatsApp: %d sessions after a restart", linked), fmt.Sprintf("WhatsApp: %d sessions after kill -9", linked)
	return []row{
		{"WhatsApp: first QR code, one at a time", "≤ 300 ms at p99", ms(quantile(f.alone, 0.99)), "p50 " + ms(quantile(f.alone, 0.5)), judge(quantile(f.alone, 0.99) <= wantFirstCode)},
		{
			fmt.Sprintf("WhatsApp: first QR code, %d flows begun in one moment", len(f.codes)), "", ms(quantile(f.codes, 0.5)) + " at p50",
			"p99 " + ms(quantile(f.codes, 0.99)), none,
		},
		{
			"WhatsApp: codes shown at once", fmt.Sprint(showing), fmt.Sprint(f.flows),
			fmt.Sprintf("%d of %d renewed themselves after a minute; %.1f %% of one processor meanwhile", f.renewed, showing, 100*f.showCPU),
			judge(f.flows == showing && f.renewed == showing),
		},
		{
			"WhatsApp: scan to connected, one at a time", "≤ 500 ms at p50", ms(quantile(f.scanned, 0.5)), "p99 " + ms(quantile(f.scanned, 0.99)),
			judge(quantile(f.scanned, 0.5) <= wantScanned),
		},
		{
			fmt.Sprintf("WhatsApp: scan to connected, %d scanned in one moment", len(f.scans)), "", ms(quantile(f.scans, 0.5)) + " at p50",
			"p99 " + ms(quantile(f.scans, 0.99)), none,
		},
		{
			fmt.Sprintf("WhatsApp: memory of an idle session, %d of them", f.sessions), "≤ 0.3 MB", fmt.Sprintf("%.2f MB", f.each/1e6),
			fmt.Sprintf("resident, above a server without any; %.1f %% of one processor", 100*f.idleCPU), judge(f.each <= wantEach),
		},
		restarted, killed,
		{"WhatsApp: processor time of a reconnection", "", micros(f.connectCPU), "with the server's own start", none},
	}
}
