package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"latchkey/internal/pgtest"
)

// profiles writes a CPU profile of the server under each load, to look at with `go tool pprof`. The
// server is the same code in this program's process image, since the product has no profiler.
func profiles(ctx context.Context, o options, dir string) (err error) {
	if err := os.MkdirAll(o.profile, 0o750); err != nil {
		return err
	}
	st, err := newStage(dir, 4*o.journeys)
	if err != nil {
		return err
	}
	defer st.close()
	engines := map[string]string{"sqlite": ""}
	if o.postgres {
		if engines["postgres"], err = pgtest.Start(true); err != nil {
			return err
		}
	}
	for name, database := range engines {
		if err := profileOne(ctx, o, st, name, database); err != nil {
			return err
		}
	}
	return nil
}

func profileOne(ctx context.Context, o options, st *stage, name, database string) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	profiler, err := freeAddr()
	if err != nil {
		return err
	}
	server, err := st.serve(ctx, "profiled-"+name, self, []string{"role:server", profiler}, filepath.Join(st.dir, "profiled-"+name), database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	c := &contender{engineFigures: &engineFigures{name: name}, server: server, traveller: &traveller{stage: st, server: server}}
	if err := c.traveller.prepare(ctx); err != nil {
		return err
	}
	page, err := c.pageLoad(ctx, st)
	if err != nil {
		return err
	}
	seconds := max(1, int(o.each.Seconds()))
	under := func(load string, run func() error) error {
		say("%s: %s for %d s", name, load, seconds)
		done := make(chan error, 1)
		go func() {
			done <- fetchProfile(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", profiler, seconds), filepath.Join(o.profile, name+"-"+load+".pprof"))
		}()
		err := run()
		return errors.Join(err, <-done)
	}
	steady := func(l load) func() error {
		return func() error {
			r, err := l.run(ctx, o.conns, time.Duration(seconds+1)*time.Second, server)
			say("%s: %.0f/s, %s CPU each", name, r.perSecond, r.cpu)
			return err
		}
	}
	if err := under("create", steady(c.createLoad(st))); err != nil {
		return err
	}
	if err := under("page", steady(page)); err != nil {
		return err
	}
	return under("journeys", func() error {
		j, err := c.traveller.run(ctx, 3*o.journeys, atOnce)
		say("%s: %.0f journeys/s, %s CPU and %.1f requests each, %d KiB written in %d calls", name, j.perSecond, j.cpu, j.requests, j.written>>10, j.writes)
		return err
	})
}

func fetchProfile(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profiler: %s", res.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, res.Body)
	return errors.Join(err, f.Close())
}
