package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"latchkey/internal/config"
)

type doctorCmd struct{}

// finding is one thing that the doctor looked at.
type finding struct {
	what string
	err  error
	note string
}

// Run checks the installation and says what to do about each thing that is not right.
func (doctorCmd) Run(c *console, cfg *config.Config) error {
	findings := []finding{checkBaseURL(cfg)}
	if !cfg.Postgres() {
		if _, err := os.Stat(cfg.DatabaseFile()); errors.Is(err, fs.ErrNotExist) {
			return report(c, append(findings, finding{what: "database and keys", note: "there is none yet at " + cfg.DatabaseFile() + "; latchkey serve makes it"}))
		}
	}
	in, err := open(c.ctx, cfg, newLogger(cfg, c.err), c.now)
	findings = append(findings, finding{what: "database and keys", err: err})
	if err == nil {
		findings = append(findings, in.checkAll(c.ctx)...)
		if err := in.close(); err != nil {
			return err
		}
	}
	return report(c, findings)
}

// report prints what was found.
func report(c *console, findings []finding) error {
	bad := 0
	for _, f := range findings {
		switch {
		case f.err != nil:
			bad++
			c.printf("✕ %s: %v\n", f.what, f.err)
		case f.note != "":
			c.printf("! %s: %s\n", f.what, f.note)
		default:
			c.printf("✓ %s\n", f.what)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks failed", bad, len(findings))
	}
	return nil
}

func checkBaseURL(cfg *config.Config) finding {
	f := finding{what: "base URL " + cfg.BaseURL}
	u, err := url.Parse(cfg.BaseURL)
	if err != nil {
		f.err = err
		return f
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
	if u.Scheme == "http" && !loopback {
		f.note = "it is not https: passwords would cross the network in clear; put a TLS proxy in front and set LATCHKEY_BASE_URL to https://…"
	}
	return f
}

func (in *installation) checkAll(ctx context.Context) []finding {
	out := []finding{{what: "sealing", err: in.healthy(ctx)}}
	if !in.cfg.Postgres() {
		out = append(out, privateFolder(in.cfg.Data))
	}
	if err := in.build(ctx); err != nil {
		return append(out, finding{what: "services", err: err})
	}
	return append(out, in.checkNames(ctx), in.checkReach())
}

func privateFolder(dir string) finding {
	f := finding{what: "data folder " + dir}
	st, err := os.Stat(dir)
	switch {
	case err != nil:
		f.err = err
	case st.Mode().Perm()&fs.FileMode(0o077) != 0:
		f.note = "others on this machine can look into it; run: chmod 700 " + dir
	}
	return f
}

// checkNames asks the name server for something that everybody has.
func (in *installation) checkNames(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	f := finding{what: "DNS"}
	if _, err := in.egress.LookupMX(ctx, "gmail.com"); err != nil {
		f.note = "gmail.com's mail servers were not found; detection of mail settings needs DNS (LATCHKEY_DNS_SERVER chooses a server)"
	}
	return f
}

// checkReach connects to the base URL from here, as far as that is possible.
func (in *installation) checkReach() finding {
	f := finding{what: "base URL from here"}
	u, err := url.Parse(in.cfg.BaseURL)
	if err != nil {
		f.err = err
		return f
	}
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	d := net.Dialer{Timeout: 3 * time.Second}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		f.note = "nothing answers at " + addr + " (that is in order while the server does not run)"
		return f
	}
	defer conn.Close()
	if u.Scheme == "https" {
		t := tls.Client(conn, in.egress.TLSConfig(u.Hostname()))
		_ = conn.SetDeadline(in.now().Add(3 * time.Second))
		if err := t.Handshake(); err != nil { //nolint:noctx // bounded by the deadline
			f.note = "its certificate is not right: " + strings.TrimPrefix(err.Error(), "tls: ")
		}
	}
	return f
}
