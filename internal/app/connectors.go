package app

import (
	"context"
	"net"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/imap"
	"latchkey/internal/connector/mock"
	"latchkey/internal/safehttp"
)

// connect makes the connectors: one line each.
func (in *installation) connect(context.Context) error {
	in.connectors = map[latchkey.Provider]connector.Connector{}
	for _, c := range []connector.Connector{
		in.imapConnector(),
		in.mockConnector(),
	} {
		in.connectors[c.Describe().Provider] = c
	}
	return nil
}

func (in *installation) imapConnector() connector.Connector {
	return imap.New(imap.Config{
		Dial:    mailDialer{in.egress},
		Resolve: mailResolver{in.egress},
		Fetch:   in.egress.Client(safehttp.Discovery, safehttp.ClientOptions{Timeout: discoveryTimeout, MaxRedirects: discoveryRedirects}),
		TLS:     in.egress.TLSConfig, AllowPlaintext: in.cfg.AllowPlaintextMail, ISPDBURL: in.cfg.ISPDBURL,
		Now: in.now, Log: in.log, Tries: in.store.Tries(),
	})
}

// mailDialer goes out for mail only.
type mailDialer struct{ egress *safehttp.Egress }

func (d mailDialer) DialContext(ctx context.Context, network, hostport string) (net.Conn, error) {
	return d.egress.DialContext(ctx, safehttp.Mail, network, hostport)
}

// mailResolver gives the look-ups the shape of the standard library's.
type mailResolver struct{ egress *safehttp.Egress }

func (r mailResolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	return r.egress.LookupMX(ctx, name)
}

func (r mailResolver) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	srv, err := r.egress.LookupSRV(ctx, service, proto, name)
	return "", srv, err
}

// Bounds of one look for mail settings; the finder has a budget of its own.
const (
	discoveryTimeout   = 3 * time.Second
	discoveryRedirects = 3
)

// mockConnector plays against a simulated phone in this process. The phone listens on loopback, and
// only once somebody in a test application asks for it.
func (in *installation) mockConnector() connector.Connector {
	phone := &lazyPhone{in: in}
	return mock.New(mock.Config{Now: in.now, DialPhone: phone.dial})
}
