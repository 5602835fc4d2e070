package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// deliveries are what came of webhooks.
type deliveries struct {
	alone, beside []float64 // a second to a fast endpoint, alone and beside a dead one
	wait, shared  []time.Duration
	flood         flood
}

const (
	// backlog is how many events are sent at once; pace how many links are made a second while the
	// time from an event to its delivery is measured.
	backlog  = 6000
	pace     = 100
	paceTime = 5 * time.Second
	// settle is how long PostgreSQL's newest events are held back from readers.
	settle = 1500 * time.Millisecond
	// hello is how long replicas take to share queues.
	hello = 5 * time.Second
)

// sink takes deliveries, as quickly as a backend can.
type sink struct {
	url string
	srv *http.Server

	mu    sync.Mutex
	n     int
	first time.Time
	last  time.Time
	waits []time.Duration
	moved chan struct{}
}

func newSink(handle func(s *sink, w http.ResponseWriter, r *http.Request)) (*sink, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // close ends it
	if err != nil {
		return nil, err
	}
	s := &sink{url: "http://" + ln.Addr().String() + "/", moved: make(chan struct{}, 1)}
	s.srv = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(s, w, r) }), ReadHeaderTimeout: time.Minute}
	go func() { _ = s.srv.Serve(ln) }() // until close
	return s, nil
}

func (s *sink) close() { _ = s.srv.Close() }

// takeOne is a good endpoint.
func takeOne(s *sink, w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	var m struct {
		CreatedAt time.Time `json:"created_at"`
	}
	err := json.NewDecoder(r.Body).Decode(&m)
	s.mu.Lock()
	if s.n == 0 {
		s.first = now
	}
	s.n, s.last = s.n+1, now
	if err == nil {
		s.waits = append(s.waits, now.Sub(m.CreatedAt))
	}
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

// hang is a dead one.
func hang(_ *sink, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// await waits until n have come.
func (s *sink) await(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	for {
		s.mu.Lock()
		have := s.n
		s.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-s.moved:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d deliveries came: %w", have, n, ctx.Err())
		}
	}
}

func (s *sink) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n, s.waits = 0, nil
}

// call is one request to the API.
func (s *stage) call(ctx context.Context, p *process, method, path string, body any, answer any) error {
	enc, err := json.Marshal(body)
	if err != nil {
		return err
	}
	c, err := dialWire(ctx, p.addr)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	status, raw, err := c.do(request(method, p.addr, path, enc, "X-API-KEY: "+s.apiKey))
	if err != nil || status >= 300 {
		return errors.Join(err, fmt.Errorf("%s %s: %d %.200s", method, path, status, raw))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(raw, answer)
}

// webhook makes one for links that are made.
func (s *stage) webhook(ctx context.Context, p *process, url string) (string, error) {
	var made struct {
		ID string `json:"webhook_id"`
	}
	err := s.call(ctx, p, http.MethodPost, "/v1/webhooks", map[string]any{"request_url": url, "events": []string{"link.created"}}, &made)
	return made.ID, err
}

// deliver measures the webhooks of a server of its own.
func (e *engineFigures) deliver(ctx context.Context, st *stage, binary, database string, rounds, events int) (err error) {
	say("%s: deliveries", e.name)
	host, mail, err := st.mailHost("deliveries-" + e.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	p, err := st.serve(ctx, "deliveries-"+e.name, binary, nil, filepath.Join(st.dir, "deliveries-"+e.name), database, mail...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	good, err := newSink(takeOne)
	if err != nil {
		return err
	}
	defer good.close()
	dead, err := newSink(hang)
	if err != nil {
		return err
	}
	defer dead.close()
	begun := time.Now().Add(-time.Second)
	if err := st.call(ctx, p, http.MethodPost, "/v1/events/listen", map[string]any{}, nil); err != nil {
		return err
	}
	if err := st.links(ctx, p, backlog, 0); err != nil {
		return err
	}
	time.Sleep(settle)
	id, err := st.webhook(ctx, p, good.url)
	if err != nil {
		return err
	}
	replay := func(id string) error {
		return st.call(ctx, p, http.MethodPost, "/v1/webhooks/"+id+"/replay", map[string]any{"since": begun.UTC().Format(time.RFC3339Nano)}, nil)
	}
	drain := func() (float64, error) {
		good.reset()
		err := replay(id)
		if err == nil {
			err = good.await(ctx, backlog)
		}
		return float64(backlog) / good.last.Sub(good.first).Seconds(), err
	}
	deadID, err := st.webhook(ctx, p, dead.url)
	if err != nil {
		return err
	}
	for range rounds {
		if err := st.enable(ctx, p, deadID, false); err != nil {
			return err
		}
		alone, err := drain()
		if err != nil {
			return err
		}
		if err := errors.Join(st.enable(ctx, p, deadID, true), replay(deadID)); err != nil {
			return err
		}
		time.Sleep(2 * settle) // all of it is written, and it has what it can take
		beside, err := drain()
		if err != nil {
			return err
		}
		e.hooks.alone, e.hooks.beside = append(e.hooks.alone, alone), append(e.hooks.beside, beside)
	}
	if err := st.enable(ctx, p, deadID, false); err != nil {
		return err
	}
	if e.hooks.wait, err = st.paced(ctx, p, good); err != nil {
		return err
	}
	good.reset()
	if e.hooks.flood, err = st.flood(ctx, p, good, id, begun, events); err != nil || database == "" {
		return err
	}
	e.hooks.shared, err = st.pacedShared(ctx, e.name, binary, database, p, good)
	return err
}

// enable pauses or resumes a webhook.
func (s *stage) enable(ctx context.Context, p *process, id string, yes bool) error {
	return s.call(ctx, p, http.MethodPatch, "/v1/webhooks/"+id, map[string]any{"enabled": yes}, nil)
}

// links makes n links, evenly over time where per second is not 0.
func (s *stage) links(ctx context.Context, p *process, n, perSecond int) error {
	ask := request("POST", p.addr, "/v1/hosted/accounts/link", seedBody(), "X-API-KEY: "+s.apiKey)
	const callers = 16
	failed := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			c, err := dialWire(ctx, p.addr)
			if err != nil {
				failed[i] = err
				return
			}
			defer c.conn.Close()
			for range (n + callers - 1 - i) / callers {
				if perSecond > 0 {
					time.Sleep(time.Second * callers / time.Duration(perSecond))
				}
				status, raw, err := c.do(ask)
				if err != nil || status != http.StatusCreated {
					failed[i] = errors.Join(err, fmt.Errorf("no link: %d %.200s", status, raw))
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

// paced measures how long events wait for their delivery to arrive.
func (s *stage) paced(ctx context.Context, p *process, good *sink) ([]time.Duration, error) {
	good.reset()
	n := pace * int(paceTime/time.Second)
	if err := s.links(ctx, p, n, pace); err != nil {
		return nil, err
	}
	if err := good.await(ctx, n); err != nil {
		return nil, err
	}
	good.mu.Lock()
	defer good.mu.Unlock()
	waits := slices.Clone(good.waits)
	slices.Sort(waits)
	return waits, nil
}

// pacedShared is paced with a second replica, which delivers half of it.
func (s *stage) pacedShared(ctx context.Context, name, binary, database string, p *process, good *sink) (waits []time.Duration, err error) {
	second, err := s.serve(ctx, "second-"+name, binary, nil, filepath.Join(s.dir, "second-"+name), database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, second.stop()) }()
	time.Sleep(hello)
	return s.paced(ctx, p, good)
}

// The targets of deliveries.
const (
	wantDeliveriesSQLite   = 1500
	wantDeliveriesPostgres = 3000
	wantWait               = 50 * time.Millisecond
	wantBeside             = 0.9
)

// deliveryRows are judged on both databases.
func (e *engineFigures) deliveryRows() []row {
	d, on, want := e.hooks, e.name+": ", float64(wantDeliveriesSQLite)
	if len(d.alone) == 0 {
		return nil
	}
	alone, beside := median(d.alone, same[float64]), median(d.beside, same[float64])
	if e.name != "SQLite" {
		want = wantDeliveriesPostgres
	}
	at := func(waits []time.Duration, percent int) time.Duration { return waits[len(waits)*percent/100] }
	rows := []row{
		{on + "deliveries to a fast endpoint", "≥ " + count(want), count(alone) + " (" + spread(d.alone, same[float64]) + ")", fmt.Sprintf("%d past events, replayed", backlog), judge(alone >= want)},
		{
			on + "the same, beside a dead endpoint", fmt.Sprintf("≥ %.1f of it", wantBeside), count(beside) + " (" + spread(d.beside, same[float64]) + ")",
			fmt.Sprintf("%.2f of it; the dead one has as many waiting", beside/alone), judge(beside >= wantBeside*alone),
		},
		{
			on + "from the event to its arrival, p50", "≤ 50 ms", ms(at(d.wait, 50)),
			fmt.Sprintf("p99 %s, at %d events/s", ms(at(d.wait, 99)), pace), judge(at(d.wait, 50) <= wantWait),
		},
	}
	rows = append(rows, d.flood.rows(on)...)
	if len(d.shared) > 0 {
		rows = append(rows, row{
			on + "the same, where another replica sends half, p50", "≤ 50 ms", ms(at(d.shared, 50)),
			fmt.Sprintf("p75 %s, p99 %s", ms(at(d.shared, 75)), ms(at(d.shared, 99))), judge(at(d.shared, 75) <= wantWait),
		})
	}
	return rows
}
