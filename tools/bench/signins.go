package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"latchkey/internal/mailer/mailertest"
)

// addresses are as many as keep each of them far below its hour's budget.
const addresses = 64 << 10

// wantSignIns and wantSignInP99 are the targets of sign-in requests.
const (
	wantSignIns   = 1000
	wantSignInP99 = 30 * time.Millisecond
)

// signIns measures sign-in requests on a server of their own, with a mail host behind it that takes the
// mails meanwhile: challenge, outbox and limits in one durable transaction each.
func (e *engineFigures) signIns(ctx context.Context, o options, st *stage, binary, database string) (err error) {
	host, err := mailertest.Start(mailertest.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	ca := filepath.Join(st.dir, "mail-"+e.name+".pem")
	if err := os.WriteFile(ca, host.CAPEM(), 0o600); err != nil {
		return err
	}
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	env := append(st.environment(addr, filepath.Join(st.dir, "signins-"+e.name), database), "LATCHKEY_CA_FILE="+ca,
		fmt.Sprintf("LATCHKEY_SMTP_URL=smtp+starttls://localhost:%d", host.Port()), "LATCHKEY_SMTP_FROM=Bench <login@bench.test>")
	server, err := start(st.dir, "signins-"+e.name, addr, env, binary, "serve")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	if err := server.healthy(ctx, "/healthz"); err != nil {
		return err
	}
	l := load{addr: addr, status: 202, holds: []byte(`"id":"sin_`), stride: addresses / signInConns}
	for i := range addresses {
		l.requests = append(l.requests, request("POST", addr, "/v1/signins", fmt.Appendf(nil, `{"email":"u%d@bench.test"}`, i), "X-API-KEY: "+st.apiKey))
	}
	for range o.rounds {
		r, err := l.run(ctx, min(o.conns, signInConns), o.each, server)
		if err != nil {
			return err
		}
		say("%s: %.0f sign-ins/s, p50 %s, p99 %s, %s CPU each; %d mails taken", e.name, r.perSecond, ms(r.p50), ms(r.p99), micros(r.cpu), len(host.Messages()))
		e.signIn = append(e.signIn, r)
	}
	return nil
}

// signInConns is how many sign in at the same time: as many as the rivals were measured with.
const signInConns = 8

// signInRow is the table's line.
func (e *engineFigures) signInRow() row {
	of := func(f func(rate) time.Duration) time.Duration { return median(e.signIn, f) }
	n, p99 := median(e.signIn, perSecond), of(func(r rate) time.Duration { return r.p99 })
	return row{
		e.name + ": sign-in requests, durable, mail queued, 8 at once", "≥ 1.0k/s, p99 ≤ 30 ms", count(n) + " (" + spread(e.signIn, perSecond) + ")",
		fmt.Sprintf("p50 %s, p99 %s; %s CPU each, delivery of the mails besides", ms(of(func(r rate) time.Duration { return r.p50 })), ms(p99), micros(of(cpuOf))),
		judge(n >= wantSignIns && p99 <= wantSignInP99),
	}
}
