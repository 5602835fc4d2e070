package app

import (
	"context"
	"net/url"
	"time"

	"latchkey/internal/mailer"
	"latchkey/internal/signin"
	"latchkey/internal/store"
)

// newSignIns puts sign-in together with the mail that it sends.
func (in *installation) newSignIns() (*signin.Service, error) {
	base, err := url.Parse(in.cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	return signin.New(signin.Config{
		Store: in.store, Mail: outbox{in.mailer, base.Host, in.now}, Events: in.hooks, MAC: in.ring, BaseURL: in.cfg.BaseURL, Now: in.now, Log: in.log,
		Known: in.operators.Known, Refused: in.mailer.SendsFrom,
	}), nil
}

// outbox lets sign-ins send mail: neither knows the other.
type outbox struct {
	mailer *mailer.Service
	// host is where a phone may fill the code in by itself.
	host string
	now  func() time.Time
}

func (o outbox) Queue(ctx context.Context, tx store.Tx, m signin.Mail) error {
	_, err := o.mailer.Queue(ctx, tx, mailer.Message{
		ApplicationID: m.ApplicationID, Kind: mailer.KindSignIn, To: m.To, Locale: m.Locale, ExpiresAt: m.ExpiresAt, Withheld: m.Withheld,
		Values: map[string]string{
			mailer.ValueCode: m.Code, mailer.ValueLink: m.Link, mailer.ValueDevice: m.Device, mailer.ValueOrigin: o.host,
			mailer.ValueTime: o.now().UTC().Format("2006-01-02 15:04 UTC"),
		},
	})
	return err
}

func (o outbox) Wake() { o.mailer.Wake() }
