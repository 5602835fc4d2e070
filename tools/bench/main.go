// Command bench measures what docs/performance.md promises, in one run: it builds the binary, starts
// it on loopback as anybody would, and puts each figure beside what the machine can do at all (a bare
// net/http handler, a bare durable insert, bare mail handshakes) under the same load in interleaved
// rounds. It prints one table; its exit status is 1 where a target is missed.
//
//	go run ./tools/bench               everything, about ten minutes
//	go run ./tools/bench -short        one short round of each, to see that it works
//	go run ./tools/bench -phones       WhatsApp: codes, idle sessions, restarts, about three minutes
//	                                    (with -profile DIR, with profiles too)
//	go run ./tools/bench -profile DIR  CPU profiles of the server under each load, no table
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options say how much to do.
type options struct {
	rounds   int
	each     time.Duration
	conns    int
	journeys int
	side     int
	starts   int
	idle     time.Duration
	postgres bool
	// hooksOnly measures deliveries alone.
	hooksOnly bool
	profile   string
	// signInsOnly measures sign-ins alone.
	signInsOnly bool
	accounts    int
	sqlite      bool
	outage      int
	only        bool
	flood       int
	limit       time.Duration
	phones      bool
	// boardOnly measures pages of the dashboard alone.
	boardOnly bool
}

func main() {
	if len(os.Args) > 1 {
		if run, ok := roles()[os.Args[1]]; ok {
			exit(run(os.Args[2:]))
		}
	}
	var o options
	short := flag.Bool("short", false, "one short round of each")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds")
	flag.DurationVar(&o.each, "each", 4*time.Second, "how long each load of a round takes")
	flag.IntVar(&o.conns, "conns", 64, "keep-alive connections")
	flag.IntVar(&o.journeys, "journeys", 600, "journeys a round")
	flag.IntVar(&o.side, "side", 500, "journeys side by side")
	flag.IntVar(&o.starts, "starts", 10, "starts of the server")
	flag.DurationVar(&o.idle, "idle", 15*time.Second, "how long the server is left alone")
	flag.BoolVar(&o.postgres, "postgres", true, "a second pass on PostgreSQL")
	flag.BoolVar(&o.hooksOnly, "deliveries", false, "deliveries alone")
	flag.BoolVar(&o.signInsOnly, "signins", false, "sign-ins alone")
	flag.IntVar(&o.accounts, "accounts", 100_000, "connected accounts to look after; 0 for none")
	flag.IntVar(&o.outage, "outage", 1_000, "how many accounts a provider refuses at once, on SQLite; a fifth of them on PostgreSQL; 0 for no outage")
	flag.BoolVar(&o.sqlite, "sqlite", true, "the accounts on SQLite too")
	flag.IntVar(&o.flood, "flood", 50_000, "how many deliveries come at once while people sign in")
	flag.DurationVar(&o.limit, "limit", 40*time.Minute, "after which it gives up; with -short, 8 minutes")
	flag.BoolVar(&o.only, "accounts-only", false, "look after accounts, and measure nothing else")
	flag.BoolVar(&o.phones, "phones", false, "accounts that are connected by a phone, and nothing else: about three minutes")
	flag.BoolVar(&o.boardOnly, "dashboard", false, "pages of the dashboard alone, of an application with -accounts accounts")
	flag.StringVar(&o.profile, "profile", "", "write CPU profiles into this folder, and no table")
	flag.Parse()
	if *short {
		o.rounds, o.each, o.journeys, o.starts, o.idle = 1, time.Second, 120, 3, 2*time.Second
		o.accounts, o.outage, o.flood, o.limit = min(o.accounts, 2000), min(o.outage, 1000), min(o.flood, 10_000), min(o.limit, 8*time.Minute)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// What hangs is a defect, and must not look like a long run.
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("it was not done after %s: -limit allows more", o.limit))
	defer cancel()
	err := bench(ctx, o)
	if why := context.Cause(ctx); err != nil && why != nil {
		err = errors.Join(why, err)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// errMissed tells that the table has a miss in it.
var errMissed = errors.New("a target was missed")

func bench(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "latchkey-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.profile != "" && !o.phones {
		return profiles(ctx, o, dir)
	}
	if o.only {
		m := measured{machine: describeMachine(), options: o}
		if err := careOf(ctx, o, dir, &m); err != nil {
			return err
		}
		if !m.printCare(os.Stdout) {
			return errMissed
		}
		return nil
	}
	say("building")
	binary := filepath.Join(dir, "latchkey")
	if err := build(ctx, binary); err != nil {
		return err
	}
	if o.phones {
		f, err := phones(ctx, dir, binary, o.profile)
		if err != nil {
			return err
		}
		if !printPhones(os.Stdout, f) {
			return errMissed
		}
		return nil
	}
	m := measured{machine: describeMachine(), options: o}
	if o.boardOnly {
		if m.boards, err = measureBoards(ctx, o, dir, binary); err != nil {
			return err
		}
		if !m.printBoards(os.Stdout) {
			return errMissed
		}
		return nil
	}
	if m.binarySize, err = size(binary); err != nil {
		return err
	}
	if err := measure(ctx, o, dir, binary, &m); err != nil {
		return err
	}
	if err := careOf(ctx, o, dir, &m); err != nil {
		return err
	}
	if !m.print(os.Stdout) {
		return errMissed
	}
	return nil
}

// say tells on the terminal what is going on; the table alone goes to standard output.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "· "+format+"\n", args...) }
