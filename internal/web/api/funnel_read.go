package api

import (
	"context"
	"net/http"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/funnel"
)

// defaultFunnel is how many days are shown where none are named, and maxFunnel how many there may be.
const (
	defaultFunnel = 30
	maxFunnel     = 400
)

type funnelAnswer struct {
	Object    string           `json:"object" enum:"Funnel"`
	From      string           `json:"from" format:"date" doc:"The first day on which the links counted were made (UTC)."`
	To        string           `json:"to" format:"date" doc:"The last such day."`
	AsOf      *stamp           `json:"as_of" doc:"Until when it was counted: some 10 to 30 seconds ago. Null before anything was."`
	Created   int64            `json:"created" doc:"Links made."`
	Opened    int64            `json:"opened" doc:"Links whose page was opened; a best effort."`
	Started   int64            `json:"started" doc:"Links that were started."`
	Chosen    int64            `json:"provider_chosen" doc:"Links at which a provider was chosen, or was the only one."`
	Connected int64            `json:"connected" doc:"Links that led to an account."`
	Expired   int64            `json:"expired" doc:"Links that ended without one. Counted a quarter of an hour after their end."`
	Providers []funnelProvider `json:"providers" nullable:"false"`
}

type funnelProvider struct {
	Provider  *string         `json:"provider" doc:"Null for what came before a provider was chosen."`
	Chosen    int64           `json:"chosen"`
	Connected int64           `json:"connected"`
	Steps     []funnelStep    `json:"steps" nullable:"false" doc:"Steps that were seen, the most frequent first."`
	Failures  []funnelFailure `json:"failures" nullable:"false" doc:"Where and why people failed, the most frequent first."`
}

type funnelStep struct {
	Step  string `json:"step" doc:"The step's id, such as imap.password."`
	Links int64  `json:"links" doc:"Links at which it was seen."`
	Times int64  `json:"times" doc:"How often it was seen."`
}

type funnelFailure struct {
	Kind  string  `json:"kind" enum:"step_failed,failed,canceled" doc:"step_failed: an answer to a step was not taken, and asked for again. failed and canceled end a try; the link stays usable."`
	Step  *string `json:"step"`
	Code  string  `json:"code"`
	Links int64   `json:"links"`
	Times int64   `json:"times"`
}

func (a *API) funnelRoute() route {
	return route{
		method: http.MethodGet, path: "/funnel", permission: latchkey.PermLinks, handle: a.readFunnel,
		doc: doc{
			id: "readFunnel", tag: tagLinks, summary: "Read the funnel",
			text: "How far the links made on some days got: opened, started, a provider chosen, steps seen, connected; and where and why people failed. " +
				"Each number is of links, once each, and belongs to the day on which the link was made. Ask for up to 400 days; default: the last 30.",
			params: []param{
				{name: "from", text: "The first day, such as 2026-11-01, in UTC.", pattern: `^\d{4}-\d{2}-\d{2}$`},
				{name: "to", text: "The last day, included.", pattern: `^\d{4}-\d{2}-\d{2}$`},
			},
			answers: []docAnswer{{status: http.StatusOK, text: "The funnel.", body: funnelAnswer{}}},
		},
	}
}

// readFunnel answers GET /funnel.
func (a *API) readFunnel(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	to := q.day("to", a.now())
	from := q.day("from", to.AddDate(0, 0, 1-defaultFunnel))
	if to.Before(from) {
		q.fail("to", errs.CodeOutOfRange, "This lies before from.")
	} else if to.Sub(from) >= maxFunnel*24*time.Hour {
		q.fail("from", errs.CodeOutOfRange, "Ask for at most 400 days at once.")
	}
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	f, err := a.cfg.Funnel.Read(ctx, c.app.ID, from, to)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, showFunnel(f)}, nil
}

// day reads a day, or the UTC day of a moment.
func (q *query) day(name string, otherwise time.Time) time.Time {
	s := q.param(name)
	if s == "" {
		return otherwise.UTC().Truncate(24 * time.Hour)
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		if t, err = time.Parse(time.RFC3339, s); err != nil {
			q.fail(name, errs.CodeInvalidValue, "This must be a day, such as 2026-11-01.")
		}
	}
	return t.UTC().Truncate(24 * time.Hour)
}

func showFunnel(f funnel.Funnel) funnelAnswer {
	out := funnelAnswer{
		Object: "Funnel", From: f.From.Format(time.DateOnly), To: f.To.Format(time.DateOnly),
		Created: f.Created, Opened: f.Opened, Started: f.Started, Chosen: f.Chosen, Connected: f.Connected, Expired: f.Expired,
		Providers: make([]funnelProvider, len(f.Providers)),
	}
	if !f.AsOf.IsZero() {
		s := at(f.AsOf)
		out.AsOf = &s
	}
	for i, p := range f.Providers {
		shown := funnelProvider{
			Provider: orNull(string(p.Provider)), Chosen: p.Chosen, Connected: p.Connected,
			Steps: make([]funnelStep, len(p.Steps)), Failures: make([]funnelFailure, len(p.Failures)),
		}
		for j, s := range p.Steps {
			shown.Steps[j] = funnelStep{s.ID, s.Links, s.Times}
		}
		for j, x := range p.Failures {
			shown.Failures[j] = funnelFailure{x.Kind, orNull(x.Step), x.Code, x.Links, x.Times}
		}
		out.Providers[i] = shown
	}
	return out
}
