package mailer_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
	"latchkey/internal/mailer/mailertest"
)

// TestBadHosts has a host go wrong once at each stage, in each way. The mail is there in the end, once, or
// twice with one Message-ID where only the host knew that it had taken it; what is refused for good is not
// tried again.
func TestBadHosts(t *testing.T) {
	t.Parallel()
	before := []mailertest.Stage{mailertest.StageBanner, mailertest.StageConnect, mailertest.StageTLS}
	within := []mailertest.Stage{mailertest.StageAuth, mailertest.StageFrom, mailertest.StageTo, mailertest.StageData}
	for _, at := range append(before, within...) {
		for name, f := range map[string]mailertest.Fault{
			"hangs": {Hang: true, Times: 1}, "hangs up": {Close: true, Times: 1}, "says 421": {Code: 421, Text: "4.3.0 closing", Times: 1}, "says 454": {Code: 454, Text: "4.7.0 Throttling failure: Maximum sending rate exceeded", Times: 1},
		} {
			t.Run(string(at)+" "+name, func(t *testing.T) {
				t.Parallel()
				l := newLab(t, newHost(t, users()), func(c *mailer.Config) { c.Patience = 500 * time.Millisecond })
				l.sender(l.host, nil)
				l.host.Misbehave(at, f)
				id := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
				m := l.await(l.app.ID, id, latchkey.MailAccepted)
				if n := len(l.host.Messages()); n != 1 || len(m.Body) > 0 || m.Attempts > 2 {
					t.Errorf("it came %d times, after %d tries: %+v", n, m.Attempts, m)
				}
			})
		}
	}
	for name, f := range map[string]mailertest.Fault{
		"hangs after the text": {Taken: true, Hang: true, Times: 1}, "hangs up after the text": {Taken: true, Close: true, Times: 1}, "takes it and says 451": {Taken: true, Code: 451, Text: "4.3.0 oops", Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, newHost(t, users()), func(c *mailer.Config) { c.Patience = 500 * time.Millisecond })
			l.host.Misbehave(mailertest.StageData, f)
			id := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
			l.await(l.app.ID, id, latchkey.MailAccepted)
			all := l.host.Messages()
			if len(all) != 2 || header(t, all[0], "Message-Id") != header(t, all[1], "Message-Id") || header(t, all[0], "Date") != header(t, all[1], "Date") {
				t.Errorf("%d mails, not one mail twice", len(all))
			}
		})
	}
	for at, code := range map[mailertest.Stage]errs.Code{mailertest.StageTo: errs.CodeRecipientRefused, mailertest.StageData: errs.CodeMessageRefused} {
		t.Run(string(at)+" says 550", func(t *testing.T) {
			t.Parallel()
			l := newLab(t, newHost(t, users()), nil)
			l.host.Misbehave(at, mailertest.Fault{Code: 550, Text: "5.0.0 no", Times: 1})
			id := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
			if m := l.await(l.app.ID, id, latchkey.MailFailed); m.Code != string(code) || m.Attempts != 1 || len(m.Body) > 0 {
				t.Errorf("%+v", m)
			}
			// The connection is as good as before.
			l.await(l.app.ID, l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "2"}}), latchkey.MailAccepted)
			if l.host.Logins() != 1 {
				t.Errorf("%d logins", l.host.Logins())
			}
		})
	}
}

// TestAHostThatDoesNotSayGoodbye holds nobody up: neither other mail nor the end of the process.
func TestAHostThatDoesNotSayGoodbye(t *testing.T) {
	t.Parallel()
	host := newHost(t, mailertest.Config{Plain: true})
	l := newLab(t, host, func(c *mailer.Config) {
		c.Default.Encryption, c.Default.Username, c.Default.Password = mailer.EncryptionNone, "", ""
	})
	host.Misbehave(mailertest.StageQuit, mailertest.Fault{Hang: true})
	l.await(l.app.ID, l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}}), latchkey.MailAccepted)
	began := time.Now()
	l.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s to end", took)
	}
}

// TestAHostWithoutEnd never comes to the end of a reply. Its connection is ended long before it fills memory.
func TestAHostWithoutEnd(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	wrote := make(chan int64, 16)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = io.WriteString(conn, "220 hello\r\n")
				if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
					return
				}
				line, total := []byte("250-"+strings.Repeat("x", 1000)+"\r\n"), int64(0)
				for total < 256<<20 {
					n, err := conn.Write(line)
					if total += int64(n); err != nil {
						break
					}
				}
				wrote <- total
			}()
		}
	}()
	l := newLab(t, newHost(t, users()), nil)
	l.sender(l.host, func(s *latchkey.Sender) { s.Port = ln.Addr().(*net.TCPAddr).Port }) //nolint:forcetypeassert // it listens on TCP
	id := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
	if n := <-wrote; n > 64<<20 {
		t.Errorf("it was listened to for %d bytes", n)
	}
	l.until("a word of it", func() bool {
		m, err := l.store.Mails().Get(context.Background(), l.app.ID, id)
		must(t, err)
		return m.Code == string(errs.CodeProtocolError)
	})
}

// TestWithheldMailLeavesNothing: it goes the way of others, ends as failed with its reason, and its text
// is erased. It takes nothing of what a host allows, and nobody else waits for it.
func TestWithheldMailLeavesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, newHost(t, users()), nil)
	var ids []latchkey.MailID
	for n := range 40 {
		ids = append(ids, l.queue(mailer.Message{ApplicationID: l.app.ID, To: fmt.Sprintf("u%d@example.com", n), Withheld: "blocked", Values: map[string]string{mailer.ValueCode: "493021"}}))
	}
	good := l.queue(mailer.Message{ApplicationID: l.app.ID, Values: map[string]string{mailer.ValueCode: "1"}})
	l.await(l.app.ID, good, latchkey.MailAccepted)
	for _, id := range ids {
		if m := l.await(l.app.ID, id, latchkey.MailFailed); m.Code != "blocked" || m.Attempts != 0 || len(m.Body) > 0 {
			t.Errorf("%+v", m)
		}
	}
	if n := len(l.host.Messages()); n != 1 {
		t.Errorf("%d mails left", n)
	}
}
