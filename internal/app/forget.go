package app

import (
	"context"
	"log/slog"
	"time"

	"latchkey/internal/signin"
)

// jobForget removes what has been kept long enough.
const jobForget = "forget"

// How long things are kept.
const (
	keepEvents     = 30 * 24 * time.Hour
	keepDeliveries = 30 * 24 * time.Hour
	keepMails      = 30 * 24 * time.Hour
	keepHistory    = 90 * 24 * time.Hour
	// keepExpiredURLs is how long the page of an expired reconnect URL says that it has expired.
	keepExpiredURLs = 90 * 24 * time.Hour
	forgetEvery     = 10 * time.Minute
	forgetBatch     = 1000
	// forgetRounds bounds one run of the job; what is left waits for the next.
	forgetRounds = 50
	// keepFunnel is in days of the links' creation.
	keepFunnel = 400 * 24 * time.Hour
)

// jobFunnel counts how far links got. It is a name of its own since it runs much more often.
const (
	jobFunnel   = "funnel"
	funnelEvery = 15 * time.Second
)

// forget removes old events, deliveries and idempotent answers, in small transactions.
func (in *installation) forget(ctx context.Context) error {
	now := in.now()
	for what, remove := range map[string]func() (int, error){
		"events": func() (int, error) { return in.store.Events().DeleteBefore(ctx, now.Add(-keepEvents), forgetBatch) },
		"deliveries": func() (int, error) {
			return in.store.Deliveries().DeleteFinished(ctx, now.Add(-keepDeliveries), forgetBatch)
		},
		"links": func() (int, error) {
			if in.cfg.KeepLinks == 0 {
				return 0, nil
			}
			return in.store.Links().DeleteEnded(ctx, now.AddDate(0, 0, -in.cfg.KeepLinks), forgetBatch)
		},
		"funnel": func() (int, error) { return in.store.Funnel().DeleteBefore(ctx, now.Add(-keepFunnel), forgetBatch) },
		"mails":  func() (int, error) { return in.store.Mails().DeleteFinished(ctx, now.Add(-keepMails), forgetBatch) },
		"lines of history": func() (int, error) {
			return in.store.StatusChanges().DeleteBefore(ctx, now.Add(-keepHistory), forgetBatch)
		},
		"reconnect URLs": func() (int, error) {
			return in.store.ReconnectURLs().DeleteExpired(ctx, now.Add(-keepExpiredURLs), forgetBatch)
		},
		"audit": func() (int, error) {
			if in.cfg.KeepAudit == 0 {
				return 0, nil
			}
			return in.store.Audit().DeleteBefore(ctx, now.AddDate(0, 0, -in.cfg.KeepAudit), forgetBatch)
		},
		"sign-ins": func() (int, error) {
			return in.store.SignIns().DeleteExpired(ctx, now.Add(-signin.Keep), forgetBatch)
		},
		"tries":   func() (int, error) { return in.store.Tries().DeleteExpired(ctx, now, forgetBatch) },
		"logins":  func() (int, error) { return in.operators.Forget(ctx, forgetBatch) },
		"answers": func() (int, error) { return in.store.Idempotency().DeleteExpired(ctx, now, forgetBatch) },
	} {
		total := 0
		for range forgetRounds {
			n, err := remove()
			if err != nil {
				return err
			}
			total += n
			if n < forgetBatch {
				break
			}
		}
		if total > 0 {
			in.log.InfoContext(ctx, "old rows removed", slog.String("what", what), slog.Int("count", total))
		}
	}
	// Keys of id tokens are replaced as quietly.
	return in.signIns.Upkeep(ctx)
}
