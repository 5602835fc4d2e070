package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"latchkey/internal/pgtest"
)

// The targets of looking after accounts.
const (
	wantList = 20 * time.Millisecond // at p99
	wantHeap = 1 << 10               // bytes an account
)

// careOf measures looking after many accounts on both databases, in this process.
func careOf(ctx context.Context, o options, dir string, m *measured) error {
	if o.accounts == 0 || o.hooksOnly || o.signInsOnly {
		return nil
	}
	type engine struct{ name, url string }
	var engines []engine
	if o.sqlite {
		engines = append(engines, engine{"SQLite", ""})
	}
	if o.postgres {
		u, err := pgtest.Start(true)
		if err != nil {
			return err
		}
		engines = append(engines, engine{"PostgreSQL", u})
	}
	for i, e := range engines {
		folder := filepath.Join(dir, fmt.Sprint("care", i))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		f, err := careFor(ctx, o, e.name, folder, e.url)
		if err != nil {
			return fmt.Errorf("accounts: %w", errors.Join(err, context.Cause(ctx)))
		}
		m.care = append(m.care, f)
	}
	return nil
}

// careFor looks after accounts on one database, each time on a fresh one.
func careFor(ctx context.Context, o options, name, folder, url string) (*careFigures, error) {
	fresh := func(part string) (dir, database string, err error) {
		dir = filepath.Join(folder, part)
		if err := os.MkdirAll(dir, 0o700); err != nil || url == "" {
			return dir, "", err
		}
		database, err = emptyDatabase(ctx, url, "care_"+part)
		return dir, database, err
	}
	dir, database, err := fresh("many")
	if err != nil {
		return nil, err
	}
	f, err := measureCare(ctx, name, dir, database, o.accounts)
	if err != nil {
		return nil, err
	}
	down := o.outage
	if url != "" {
		if dir, database, err = fresh("shared"); err == nil {
			err = measureShares(ctx, f, dir, database)
		}
		down /= 5
	}
	if err != nil || down == 0 {
		return f, err
	}
	if dir, database, err = fresh("outage"); err == nil {
		err = measureOutage(ctx, f, dir, database, down)
	}
	return f, err
}

func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(all))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

func (f *careFigures) rows() []row {
	on := fmt.Sprintf("%s, %d accounts: ", f.name, f.accounts)
	rows := []row{
		{
			on + "a look for due accounts", "", ms(f.dueAll), ms(f.dueNone) + " where none is due", none,
		},
		{on + "checks that cost nothing", "", count(f.perSecond), fmt.Sprintf("needed for one each 15 minutes: %.0f/s", float64(f.accounts)/900), judge(f.perSecond > float64(f.accounts)/900)},
		{on + "memory an account", "≤ 1 KiB", fmt.Sprintf("%.0f B", max(f.heapEach, 0)), "heap after a pass over all, against before", judge(f.heapEach < wantHeap)},
		{
			on + "a page of 50, while checks go on", "≤ 20 ms at p99", ms(quantile(f.list, 0.99)) + " at p99",
			fmt.Sprintf("p50 %s, of %d", ms(quantile(f.list, 0.5)), len(f.list)), judge(quantile(f.list, 0.99) <= wantList),
		},
	}
	if f.down > 0 {
		rows = append(rows, row{
			fmt.Sprintf("%s, %d refused at once: told CREDENTIALS", f.name, f.down), "0", fmt.Sprint(f.wronged + f.toldWronged),
			fmt.Sprintf("told CONNECTING: %d, by webhook %d", f.outage, f.toldOutage),
			judge(f.wronged+f.toldWronged == 0 && f.outage >= f.down*99/100 && f.toldOutage >= f.outage),
		}, row{
			fmt.Sprintf("%s: a link made meanwhile", f.name), "", ms(quantile(f.links, 0.99)) + " at p99", fmt.Sprintf("p50 %s, of %d", ms(quantile(f.links, 0.5)), len(f.links)), none,
		})
	}
	for _, n := range []int{2, 4} {
		if s := f.shares[n]; len(s) > 0 {
			sum := 0
			for _, x := range s {
				sum += x
			}
			rows = append(rows, row{
				fmt.Sprintf("%s, %d accounts: %d replicas share the checks", f.name, f.sharedAccounts, n), "each account once", fmt.Sprint(s),
				fmt.Sprintf("%d checks of %d accounts", sum, f.sharedAccounts), judge(sum == f.sharedAccounts),
			})
		}
	}
	return rows
}
