package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"time"
)

// observed is what being looked at costs a server: link creation while its metrics are read each second,
// and where they are not to be had. Spans are off in both, as they come.
type observed struct{ plain, watched []rate }

const (
	observeRounds = 9
	observeEach   = 1500 * time.Millisecond
	scrapeEvery   = time.Second
	wantObserved  = 0.03
)

// observe measures both in turns, on SQLite. The figure is processor time: of throughput, other programs
// take more than what is looked for.
func (m *measured) observe(ctx context.Context, o options, st *stage, binary string) (err error) {
	say("what being observed costs")
	metrics, err := freeAddr()
	if err != nil {
		return err
	}
	plain, err := st.serve(ctx, "unobserved", binary, nil, filepath.Join(st.dir, "unobserved"), "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.stop()) }()
	watched, err := st.serve(ctx, "observed", binary, nil, filepath.Join(st.dir, "observed"), "", "LATCHKEY_METRICS_LISTEN="+metrics)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, watched.stop()) }()
	turn := func(p *process) (rate, error) {
		return (&contender{server: p}).createLoad(st).run(ctx, o.conns, observeEach, p)
	}
	for range min(observeRounds, 3*o.rounds) {
		r, err := turn(plain)
		if err != nil {
			return err
		}
		m.observed.plain = append(m.observed.plain, r)
		stop := scrape(ctx, metrics)
		r, err = turn(watched)
		if err = errors.Join(err, stop()); err != nil {
			return err
		}
		m.observed.watched = append(m.observed.watched, r)
	}
	return nil
}

// scrape reads the metrics as Prometheus would, only more often.
func scrape(ctx context.Context, addr string) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		for {
			err := fetch(ctx, "http://"+addr+"/metrics")
			if err != nil && ctx.Err() == nil {
				failed = err
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(scrapeEvery):
			}
		}
	})
	return func() error { cancel(); wg.Wait(); return failed }
}

func fetch(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if err = errors.Join(err, res.Body.Close()); err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d", address, res.StatusCode)
	}
	return err
}

func (o observed) rows() []row {
	if len(o.plain) == 0 {
		return nil
	}
	plain, watched := median(o.plain, cpuOf), median(o.watched, cpuOf)
	cost := float64(watched)/float64(plain) - 1
	return []row{{
		"SQLite: what being observed costs a link", "≤ 3 % CPU", fmt.Sprintf("%.1f %%", 100*cost),
		fmt.Sprintf("%s CPU each, and %s where nobody reads the metrics; medians of %d turns each", micros(watched), micros(plain), len(o.plain)), judge(cost <= wantObserved),
	}}
}
