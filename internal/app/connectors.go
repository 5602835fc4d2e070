package app

import (
	"context"
	"net"
	"net/http"
	"time"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/connector"
	"latchkey/internal/connector/google"
	"latchkey/internal/connector/imap"
	"latchkey/internal/connector/instagram"
	"latchkey/internal/connector/linkedin"
	"latchkey/internal/connector/login"
	"latchkey/internal/connector/microsoft"
	"latchkey/internal/connector/mock"
	"latchkey/internal/safehttp"
)

// connect makes the connectors: one line each.
func (in *installation) connect(context.Context) error {
	in.connectors = map[latchkey.Provider]connector.Connector{}
	telegramConnector, err := in.telegramConnector()
	if err != nil {
		return err
	}
	whatsappConnector, err := in.whatsappConnector()
	if err != nil {
		return err
	}
	for _, c := range []connector.Connector{
		in.imapConnector(),
		in.googleConnector(),
		in.microsoftConnector(),
		linkedin.New(linkedin.Config{HTTP: in.oauthClient(), Issuer: in.cfg.LinkedInIssuer, URL: in.cfg.LinkedInURL, Now: in.now, Log: in.log}),
		instagram.New(instagram.Config{HTTP: in.oauthClient(), URL: in.cfg.InstagramURL, Now: in.now, Log: in.log}),
		telegramConnector,
		whatsappConnector,
		in.mockConnector(),
	} {
		if in.watch != nil {
			c = in.watch(c)
		}
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
		Now: in.now, Log: in.log, Tries: in.store.Tries(), Lend: in.lender,
	})
}

// oauthTimeout bounds one request to an OAuth provider.
const oauthTimeout = 15 * time.Second

// oauthClient reaches OAuth providers. It follows no redirect: what is sent there holds secrets.
func (in *installation) oauthClient() *http.Client {
	return in.egress.Client(safehttp.OAuth, safehttp.ClientOptions{Timeout: oauthTimeout})
}

func (in *installation) googleConnector() connector.Connector {
	return google.New(google.Config{
		HTTP: in.oauthClient(), Dial: mailDialer{in.egress}, TLS: in.egress.TLSConfig, AllowPlaintext: in.cfg.AllowPlaintextMail,
		Issuer: in.cfg.GoogleIssuer, APIURL: in.cfg.GoogleAPIURL, IMAP: mailServer(in.cfg.GoogleIMAP, "imap"), SMTP: mailServer(in.cfg.GoogleSMTP, "smtp"),
		Now: in.now, Log: in.log, Lend: in.lender,
	})
}

func (in *installation) microsoftConnector() connector.Connector {
	return microsoft.New(microsoft.Config{
		HTTP: in.oauthClient(), Dial: mailDialer{in.egress}, TLS: in.egress.TLSConfig, AllowPlaintext: in.cfg.AllowPlaintextMail,
		Issuer: in.cfg.MicrosoftIssuer, Authority: in.cfg.MicrosoftAuthority, GraphURL: in.cfg.MicrosoftGraphURL,
		IMAP: mailServer(in.cfg.MicrosoftIMAP, "imap"), SMTP: mailServer(in.cfg.MicrosoftSMTP, "smtp"), Now: in.now, Log: in.log, Lend: in.lender,
	})
}

// mailServer is a server that the configuration names; Check has seen that it can be read.
func mailServer(address, protocol string) login.Server {
	m, ok := config.ParseMailServer(address, protocol)
	if !ok || address == "" {
		return login.Server{}
	}
	out := login.Server{Host: m.Host, Port: m.Port, Encryption: login.STARTTLS}
	if m.TLS {
		out.Encryption = login.TLS
	}
	return out
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
