package app

import (
	"context"

	"latchkey"
	"latchkey/internal/mailer"
	"latchkey/internal/remind"
	"latchkey/internal/store"
)

// newReminders puts together who asks end users to reconnect, and the mail that it sends.
func (in *installation) newReminders() *remind.Service {
	return remind.New(remind.Config{
		Mail: reminders{in.mailer}, Events: in.hooks, Now: in.now, Log: in.log,
		URL: func(token string) string { return in.cfg.BaseURL + "/r/" + token },
	})
}

// brand is what end users call a provider. A mailbox's is a word of each language, which the mailer has.
func brand(p latchkey.Provider) string {
	switch p {
	case latchkey.Google:
		return "Google"
	case latchkey.Microsoft:
		return "Microsoft"
	case latchkey.LinkedIn:
		return "LinkedIn"
	case latchkey.Instagram:
		return "Instagram"
	case latchkey.WhatsApp:
		return "WhatsApp"
	case latchkey.Telegram:
		return "Telegram"
	}
	return string(p)
}

// reminders lets those who ask send mail: neither knows the other.
type reminders struct{ mailer *mailer.Service }

func (r reminders) Queue(ctx context.Context, tx store.Tx, m remind.Mail) (latchkey.MailID, error) {
	return r.mailer.Queue(ctx, tx, mailer.Message{
		ApplicationID: m.ApplicationID, Kind: mailer.KindReconnect, To: m.To, Locale: m.Locale, NotBefore: m.NotBefore, ExpiresAt: m.ExpiresAt,
		Withheld: m.Withheld,
		Values: map[string]string{
			mailer.ValueAccount: m.Account, mailer.ValueProvider: brand(m.Provider), mailer.ValueReason: string(m.Reason), mailer.ValueLink: m.Link,
			mailer.ValueTime: m.LinkEnds.Format("2006-01-02"),
		},
	})
}
