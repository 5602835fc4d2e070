package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/connector"
	"latchkey/internal/connector/whatsapp"
	"latchkey/internal/connector/whatsapp/sim"
	"latchkey/internal/errs"
	"latchkey/internal/safehttp"
)

// whatsappConnector reaches WhatsApp, or the simulator that the configuration names.
func (in *installation) whatsappConnector() (connector.Connector, error) {
	if key := in.cfg.WhatsAppRootKey; key != "" {
		if err := whatsapp.TrustRoot(key); err != nil {
			return nil, err
		}
	}
	return whatsapp.New(whatsapp.Config{Dial: in.dialWhatsApp, Now: in.now, Log: in.log}), nil
}

// dialWhatsApp speaks TLS to everything but a simulator, which is on this machine and has no name that
// a certificate could be for.
func (in *installation) dialWhatsApp(ctx context.Context, via *latchkey.Proxy, hostport string) (net.Conn, error) {
	if addr := in.cfg.WhatsAppAddr; addr != "" {
		return in.dialVia(ctx, safehttp.WhatsApp, via, addr)
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	if !ofWhatsApp(host) {
		return nil, errs.New(errs.Forbidden, errs.CodeHostNotAllowed, "WhatsApp named a server that is not one of its own.")
	}
	raw, err := in.dialVia(ctx, safehttp.WhatsApp, via, hostport)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, in.egress.TLSConfig(host))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(safehttp.Explain(err), raw.Close())
	}
	return conn, nil
}

// dialVia goes through the proxy, or, without one, straight to where the purpose lets it.
func (in *installation) dialVia(ctx context.Context, p safehttp.Purpose, via *latchkey.Proxy, hostport string) (net.Conn, error) {
	if via == nil {
		return in.egress.DialContext(ctx, p, "tcp", hostport)
	}
	return in.egress.DialVia(ctx, *via, hostport)
}

// ofWhatsApp tells whether a host is WhatsApp's: its server names those to fetch files from, and is not
// to lead us to others.
func ofWhatsApp(host string) bool {
	for _, domain := range []string{"whatsapp.com", "whatsapp.net"} {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

type simWhatsAppCmd struct {
	Addr    string   `default:"127.0.0.1:7070" placeholder:"IP:PORT" help:"Where companions connect; loopback only."`
	Control string   `default:"127.0.0.1:7071" placeholder:"IP:PORT" help:"Where the phones are held, by HTTP; loopback only."`
	Phone   []string `default:"4915112345678" placeholder:"NUMBER[=BUSINESS]" help:"Phones that are there from the beginning."`
}

// Run runs the simulator until it is told to stop.
func (s simWhatsAppCmd) Run(c *console, cfg *config.Config) error {
	server, err := sim.Start(sim.Config{Listen: s.Addr, Log: newLogger(cfg, c.err)})
	if err != nil {
		return err
	}
	defer server.Close()
	for _, p := range s.Phone {
		number, business, _ := strings.Cut(p, "=")
		server.AddPhone(sim.Phone{Number: number, Business: business})
	}
	host, _, err := net.SplitHostPort(s.Control)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return errors.New("--control must be IP:PORT on loopback: whoever reaches it holds the phones")
	}
	ln, err := (&net.ListenConfig{}).Listen(c.ctx, "tcp", s.Control)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", s.Control, err)
	}
	control := &http.Server{Handler: server.Control(), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(c.ctx, func() { _ = control.Close() })
	defer stop()
	c.printf("LATCHKEY_WHATSAPP_ADDR=%s\nLATCHKEY_WHATSAPP_ROOT_KEY=%s\n", server.Addr(), server.RootKey())
	_, _ = fmt.Fprintf(os.Stderr, "A simulated WhatsApp runs; its phones are held at http://%s (see docs/providers/whatsapp.md). Ctrl-C stops it.\n", ln.Addr())
	if err := control.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
