package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// starts measures starting and doing nothing.
func (e *engineFigures) starts(ctx context.Context, o options, st *stage, binary, server string) error {
	say("%s: %d starts on an empty database, and as many on one that is there", e.name, o.starts)
	for i := range o.starts {
		data := filepath.Join(st.dir, fmt.Sprintf("start-%s-%d", e.name, i))
		database, err := emptyDatabase(ctx, server, fmt.Sprintf("start_%d", i))
		if err != nil {
			return err
		}
		for _, to := range []*[]time.Duration{&e.fresh, &e.existing} {
			begin := time.Now()
			p, err := st.serve(ctx, "start-"+e.name, binary, nil, data, database)
			if err != nil {
				return err
			}
			*to = append(*to, time.Since(begin))
			if err := p.stop(); err != nil {
				return err
			}
		}
	}
	return e.idleness(ctx, o, st, binary, server)
}

// idleness looks at a server that nobody asks anything.
func (e *engineFigures) idleness(ctx context.Context, o options, st *stage, binary, server string) (err error) {
	say("%s: idle for %s", e.name, o.idle)
	database, err := emptyDatabase(ctx, server, "idle")
	if err != nil {
		return err
	}
	p, err := st.serve(ctx, "idle-"+e.name, binary, nil, filepath.Join(st.dir, "idle-"+e.name), database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if e.rssStart, err = p.memory(); err != nil {
		return err
	}
	before, err := p.cpu()
	if err != nil {
		return err
	}
	select {
	case <-time.After(o.idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := p.cpu()
	if err != nil {
		return err
	}
	e.idleShare = (after - before).Seconds() / o.idle.Seconds()
	e.rssIdle, err = p.memory()
	return err
}

// emptyDatabase makes one on the PostgreSQL server, if that is what is measured.
func emptyDatabase(ctx context.Context, server, name string) (string, error) {
	if server == "" {
		return "", nil
	}
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	_, err = c.Exec(ctx, "CREATE DATABASE bench_"+name)
	if err := errors.Join(err, c.Close(ctx)); err != nil {
		return "", err
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	u.Path = "/bench_" + name
	return u.String(), nil
}
