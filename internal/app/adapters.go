package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/connector"
	"latchkey/internal/hooks"
	"latchkey/internal/hosted"
	"latchkey/internal/store"
)

// herald lets the flow engine tell applications through hooks: neither knows the other.
type herald struct{ hooks *hooks.Hooks }

func (h herald) Emit(ctx context.Context, tx store.Tx, ev latchkey.Event) (latchkey.Event, error) {
	return h.hooks.Emit(ctx, tx, ev)
}

func (h herald) Notify(ctx context.Context, tx store.Tx, n hosted.Notice) error {
	var payload hooks.NotifyPayload
	switch n.Kind {
	case hosted.NoticeCreated, hosted.NoticeReconnected:
		payload = hooks.SuccessPayload(n.Link, n.AccountID)
		payload.Status = hooks.NotifyStatus(n.Kind)
	case hosted.NoticeFailed:
		payload = hooks.FailedPayload(n.Link, n.Code)
	case hosted.NoticeExpired:
		payload = hooks.ExpiredPayload(n.Link)
	default:
		return fmt.Errorf("app: unknown notice %q", n.Kind)
	}
	return h.hooks.Notify(ctx, tx, hooks.Notification{
		ApplicationID: n.Link.ApplicationID, LinkID: n.Link.ID, AccountID: n.AccountID, EventID: n.EventID,
		URL: n.Link.Terms.NotifyURL, Payload: payload,
	})
}

// handlers are the jobs that the server does.
func (in *installation) handlers() map[string]store.Handler {
	all := map[string]store.Handler{
		accounts.KindRevoke: in.accounts.HandleRevoke,
		hosted.JobExpireLink: func(ctx context.Context, j store.RunningJob) error {
			var args hosted.ExpireLinkArgs
			if err := json.Unmarshal(j.Args, &args); err != nil {
				return store.CancelJob(err)
			}
			return in.engine.ExpireDue(ctx, args)
		},
		jobFunnel:  func(ctx context.Context, _ store.RunningJob) error { return in.funnel.Count(ctx) },
		jobSenders: func(ctx context.Context, _ store.RunningJob) error { return in.senders.Remind(ctx) },
		jobForget:  func(ctx context.Context, _ store.RunningJob) error { return in.forget(ctx) },
	}
	maps.Copy(all, in.hooks.Handlers())
	for kind, h := range all {
		all[kind] = in.watched(kind, h)
	}
	return all
}

// noting lets whoever stays connected write to accounts, which are made after it.
type noting struct{ in *installation }

func (n noting) Note(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, id latchkey.AccountID, h connector.Health) error {
	return n.in.accounts.Note(ctx, tx, app, id, h)
}
