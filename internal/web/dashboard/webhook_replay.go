package dashboard

import (
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hooks"
	"latchkey/internal/web"
)

// keptEvents is how far back events can be sent again.
const keptEvents = 30 * 24 * time.Hour

// How often all past events of one webhook may be sent again: as often as by the API.
const (
	replaysPerSecond = 1.0 / 60
	replaysAtOnce    = 10
)

func newReplays(now func() time.Time) *web.Limiter {
	return web.NewLimiter(web.Limit{PerSecond: replaysPerSecond, Burst: replaysAtOnce}, now)
}

func pauseWebhook(c *call) (answer, error) {
	off := false
	_, err := c.d.cfg.Webhooks.UpdateEndpoint(c.ctx, c.app.ID, latchkey.EndpointID(c.id()), hooks.EndpointSpec{Enabled: &off})
	return answer{to: c.appPath("/webhooks/" + c.id() + "?done=paused")}, err
}

// inputTime is how browsers write the value of a field for a date and a time of day.
const inputTime = "2006-01-02T15:04"

func (c *call) replayForm() (*page, *form, error) {
	e, err := c.endpoint()
	if err != nil {
		return nil, nil, err
	}
	back := c.appPath("/webhooks/" + string(e.ID))
	since := c.form("since")
	if since == "" {
		since = c.d.now().Add(-24 * time.Hour).Format(inputTime)
	}
	return &page{Title: c.say("webhooks.replay_title"), Lead: c.say("webhooks.replay_lead"), Crumb: &link{nameOf(e), back}},
		&form{Action: back + "/replay", Submit: c.say("webhooks.replay_do"), Cancel: back, Fields: []field{
			{Name: "since", Label: c.say("webhooks.since"), Hint: c.say("webhooks.since_hint"), Type: "datetime-local", Required: true, Value: since},
		}}, nil
}

func askReplay(c *call) (answer, error) {
	p, f, err := c.replayForm()
	if err != nil {
		return answer{}, err
	}
	return answer{page: p.add(block{Form: f})}, nil
}

func replayWebhook(c *call) (answer, error) {
	e, err := c.endpoint()
	if err != nil {
		return answer{}, err
	}
	since, err := time.Parse(inputTime, c.form("since"))
	if now := c.d.now(); err != nil || since.After(now) || since.Before(now.Add(-keptEvents)) {
		p, f, err := c.replayForm()
		if err != nil {
			return answer{}, err
		}
		return c.again(p, f, errs.InvalidFields(errs.FieldError{Field: "since", Code: errs.CodeOutOfRange, Message: c.say("webhooks.bad_since")}))
	}
	if err := c.d.replays.Take(string(e.ID)); err != nil {
		return answer{}, err
	}
	return answer{to: c.appPath("/webhooks/" + string(e.ID) + "?done=replaying")}, c.d.cfg.Webhooks.ReplaySince(c.ctx, c.app.ID, e.ID, since)
}
