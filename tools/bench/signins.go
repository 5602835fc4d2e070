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
	host, mail, err := st.mailHost(e.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	server, err := st.serve(ctx, "signins-"+e.name, binary, nil, filepath.Join(st.dir, "signins-"+e.name), database, mail...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	l := st.signInLoad(server)
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

// mailHost takes the mails of a server that is started with the environment. Its certificate is one of
// those that are trusted, beside the stage's.
func (s *stage) mailHost(name string) (*mailertest.Server, []string, error) {
	host, err := mailertest.Start(mailertest.Config{})
	if err != nil {
		return nil, nil, err
	}
	ca := filepath.Join(s.dir, "mail-"+name+".pem")
	if err := os.WriteFile(ca, append(s.mail.CAPEM(), host.CAPEM()...), 0o600); err != nil {
		return nil, nil, errors.Join(err, host.Close())
	}
	return host, []string{
		"LATCHKEY_CA_FILE=" + ca, fmt.Sprintf("LATCHKEY_SMTP_URL=smtp+starttls://localhost:%d", host.Port()), "LATCHKEY_SMTP_FROM=Bench <login@bench.test>",
	}, nil
}

// signInLoad asks for sign-ins, of another address each.
func (s *stage) signInLoad(server *process) load {
	l := load{addr: server.addr, status: 202, holds: []byte(`"id":"sin_`), stride: addresses / signInConns}
	for i := range addresses {
		l.requests = append(l.requests, request("POST", server.addr, "/v1/signins", fmt.Appendf(nil, `{"email":"u%d@bench.test"}`, i), "X-API-KEY: "+s.apiKey))
	}
	return l
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
