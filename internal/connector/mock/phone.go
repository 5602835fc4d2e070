package mock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Phone is the other end of the "live" method: a simulated phone that shows codes to be scanned,
// over a real socket. It speaks lines:
//
//	client: HELLO <scenario>
//	phone:  CODE <n> <of> <milliseconds> <payload>   … renewed until the last
//	phone:  CONFIRM                                   after a scan, where Confirm is set
//	client: NUMBER <what the end user typed>
//	phone:  PAIRED | EXPIRED
type Phone struct {
	cfg PhoneConfig
	ln  net.Listener
	wg  sync.WaitGroup

	mu       sync.Mutex
	sessions map[*session]struct{}
	serial   int
}

// PhoneConfig tells a Phone how to behave.
type PhoneConfig struct {
	// Listen is a loopback address; "127.0.0.1:0" if empty.
	Listen string
	// CodeTTL is how long a code lasts; 20 s if zero.
	CodeTTL time.Duration
	// PairAfter makes the scenario "live" scan itself when the n-th code has been shown; 2 if zero.
	PairAfter int
	// Confirm makes the phone ask for the number that it shows (42) before it pairs.
	Confirm bool
}

type session struct {
	conn net.Conn
	code string
	scan chan struct{}
}

// StartPhone listens and serves until Close.
func StartPhone(cfg PhoneConfig) (*Phone, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.CodeTTL == 0 {
		cfg.CodeTTL = 20 * time.Second
	}
	if cfg.PairAfter == 0 {
		cfg.PairAfter = 2
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("mock: phone: %w", err)
	}
	p := &Phone{cfg: cfg, ln: ln, sessions: map[*session]struct{}{}}
	p.wg.Add(1)
	go p.accept()
	return p, nil
}

// Addr is where the phone listens.
func (p *Phone) Addr() string { return p.ln.Addr().String() }

// Dial opens a socket to the phone; it fits Config.DialPhone.
func (p *Phone) Dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", p.Addr())
}

// Close hangs up on everybody.
func (p *Phone) Close() error {
	err := p.ln.Close()
	p.Drop()
	p.wg.Wait()
	return err
}

// Drop cuts every open socket.
func (p *Phone) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.sessions {
		_ = s.conn.Close()
	}
}

// Open is how many sockets are open.
func (p *Phone) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sessions)
}

// Scan scans a code that is shown. It fails for a code that is not, or not any more.
func (p *Phone) Scan(code string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.sessions {
		if s.code == code && code != "" {
			s.code = ""
			close(s.scan)
			return nil
		}
	}
	return errors.New("mock: no such code is shown")
}

func (p *Phone) accept() {
	defer p.wg.Done()
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return
		}
		s := &session{conn: conn, scan: make(chan struct{})}
		p.mu.Lock()
		p.sessions[s] = struct{}{}
		p.mu.Unlock()
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			p.serve(s)
			_ = conn.Close()
			p.mu.Lock()
			delete(p.sessions, s)
			p.mu.Unlock()
		}()
	}
}

// serve plays one session. Errors of the socket end it; there is nobody to tell.
func (p *Phone) serve(s *session) {
	lines := bufio.NewScanner(s.conn)
	if !lines.Scan() {
		return
	}
	scenario := strings.TrimPrefix(lines.Text(), "HELLO ")
	said := make(chan string)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for lines.Scan() {
			said <- lines.Text()
		}
	}()
	defer func() {
		_ = s.conn.Close()
		for {
			select {
			case <-said:
			case <-gone:
				return
			}
		}
	}()
	for n := 1; n <= codesShown; n++ {
		if !p.show(s, n) {
			return
		}
		wait := time.NewTimer(p.cfg.CodeTTL)
		auto := make(<-chan time.Time)
		if scenario == "live" && n >= p.cfg.PairAfter {
			auto = time.After(p.cfg.CodeTTL / 4)
		}
		select {
		case <-gone:
			wait.Stop()
			return
		case <-wait.C:
			continue
		case <-s.scan:
		case <-auto:
		}
		wait.Stop()
		p.pair(s, said, gone)
		return
	}
	_, _ = fmt.Fprintln(s.conn, "EXPIRED")
}

func (p *Phone) show(s *session, n int) bool {
	p.mu.Lock()
	p.serial++
	s.code = fmt.Sprintf("MOCK-LIVE:%d:%d", p.serial, n)
	code := s.code
	p.mu.Unlock()
	_, err := fmt.Fprintf(s.conn, "CODE %d %d %d %s\n", n, codesShown, p.cfg.CodeTTL.Milliseconds(), code)
	return err == nil
}

func (p *Phone) pair(s *session, said <-chan string, gone <-chan struct{}) {
	for p.cfg.Confirm {
		if _, err := fmt.Fprintln(s.conn, "CONFIRM"); err != nil {
			return
		}
		select {
		case <-gone:
			return
		case line := <-said:
			if line == "NUMBER 42" {
				_, _ = fmt.Fprintln(s.conn, "PAIRED")
				return
			}
		}
	}
	_, _ = fmt.Fprintln(s.conn, "PAIRED")
}
