package app

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/mailer"
	"latchkey/internal/safehttp"
	"latchkey/internal/store"
	"latchkey/internal/web/senderproof"
)

// tokenTimeout bounds a request to a token endpoint or to Microsoft Graph.
const tokenTimeout = 15 * time.Second

// newMailer makes what sends mail. Applications' own hosts are reached under the policy for mail; the
// operator's relay is the operator's word.
func (in *installation) newMailer() (*mailer.Service, error) {
	base, err := url.Parse(in.cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	dial := func(p safehttp.Purpose) mailer.DialFunc {
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			return in.egress.DialContext(ctx, p, network, address)
		}
	}
	relay := in.cfg.Relay()
	return mailer.New(mailer.Config{
		Store: in.store, Now: in.now, Log: in.log, Dial: dial(safehttp.Mail), DialRelay: dial(safehttp.Relay), TLS: in.egress.TLSConfig,
		Plaintext: func(host string) bool {
			return slices.ContainsFunc(in.cfg.AllowPlaintextMail, func(h string) bool { return strings.EqualFold(h, host) })
		},
		Events: in.hooks, Observe: in.metrics,
		OAuth: in.egress.Client(safehttp.OAuth, safehttp.ClientOptions{Timeout: tokenTimeout}),
		Default: mailer.Relay{
			Host: relay.Host, Port: relay.Port, Encryption: mailer.Encryption(relay.Encryption),
			Username: relay.Username, Password: relay.Password, Email: relay.Email, Name: relay.Name,
		},
		Providers: mailer.Providers{
			MicrosoftAuthority: in.cfg.MicrosoftAuthority, MicrosoftGraph: in.cfg.MicrosoftGraphURL,
			MicrosoftSMTP: submission(in.cfg.MicrosoftSMTP), GoogleSMTP: submission(in.cfg.GoogleSMTP),
		},
		AppName: func(ctx context.Context, tx store.Tx, app latchkey.Application) string {
			return in.readerName(ctx, tx, app, base)
		},
		Accent: func(ctx context.Context, tx store.Tx, app latchkey.ApplicationID) (accent, ink string) {
			p := in.brands.LookIn(ctx, tx, app).Palette
			return p.Accent, p.Ink
		},
	})
}

// newSenders makes what looks after senders.
func (in *installation) newSenders() *mailer.Senders {
	return mailer.NewSenders(mailer.SendersConfig{
		Mailer: in.mailer, Operators: in.operators, DNS: in.egress,
		ProofURL: func(token string) string { return in.cfg.BaseURL + senderproof.Path(token) },
		PortOpen: func(port int) bool { return in.egress.Lists(safehttp.Mail, port) },
	})
}

// jobSenders tells of client secrets that end soon.
const (
	jobSenders   = "senders"
	sendersEvery = time.Hour
)

// submission is a submission server that the operator named; Check has read it before.
func submission(address string) mailer.Server {
	m, _ := config.ParseMailServer(address, "smtp")
	encryption := mailer.EncryptionSTARTTLS
	if m.TLS {
		encryption = mailer.EncryptionTLS
	}
	return mailer.Server{Host: m.Host, Port: m.Port, Encryption: encryption}
}
