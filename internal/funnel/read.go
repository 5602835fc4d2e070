package funnel

import (
	"cmp"
	"context"
	"slices"
	"time"

	"latchkey"
)

// Funnel is how far the links of some days got. Each number is of links, once each.
type Funnel struct {
	From, To time.Time
	// AsOf is until when it was counted.
	AsOf time.Time

	Created, Opened, Started, Chosen, Connected, Expired int64
	Providers                                            []Provider
}

// Provider is how far the links got with one provider; the one without a name stands for what came
// before a provider was chosen.
type Provider struct {
	Provider          latchkey.Provider
	Chosen, Connected int64
	Steps             []Step
	Failures          []Failure
}

// Step is a step that was seen.
type Step struct {
	ID           string
	Links, Times int64
}

// Failure is where and why people failed: at a field of a step, or for good in that try.
type Failure struct {
	// Kind is step_failed, failed or canceled.
	Kind         string
	Step, Code   string
	Links, Times int64
}

// Read adds up the days from and to, both included.
func (c *Counter) Read(ctx context.Context, app latchkey.ApplicationID, from, to time.Time) (Funnel, error) {
	f := Funnel{From: dayOf(from), To: dayOf(to)}
	position, err := c.cfg.Store.Funnel().Cursor(ctx, cursorCreated)
	if err != nil {
		return f, err
	}
	if position != "" {
		f.AsOf = latchkey.LinkID(position).Time()
	}
	counts, err := c.cfg.Store.Funnel().Sum(ctx, app, f.From, f.To)
	if err != nil {
		return f, err
	}
	providers := map[latchkey.Provider]*Provider{}
	at := func(p latchkey.Provider) *Provider {
		if providers[p] == nil {
			providers[p] = &Provider{Provider: p}
		}
		return providers[p]
	}
	for _, n := range counts {
		switch n.Stage {
		case StageCreated:
			f.Created += n.Links
		case StageOpened:
			f.Opened += n.Links
		case StageStarted:
			f.Started += n.Links
		case StageExpired:
			f.Expired += n.Links
		case StageChosen:
			if n.Provider == "" {
				f.Chosen += n.Links
			} else {
				at(n.Provider).Chosen += n.Links
			}
		case StageConnected:
			f.Connected += n.Links
			at(n.Provider).Connected += n.Links
		case StageStep:
			at(n.Provider).Steps = append(at(n.Provider).Steps, Step{n.Step, n.Links, n.Times})
		case StageStepFailed, StageFailed, StageCanceled:
			at(n.Provider).Failures = append(at(n.Provider).Failures, Failure{n.Stage, n.Step, n.Code, n.Links, n.Times})
		}
	}
	for _, p := range providers {
		slices.SortFunc(p.Steps, func(a, b Step) int { return cmp.Or(cmp.Compare(b.Links, a.Links), cmp.Compare(a.ID, b.ID)) })
		slices.SortFunc(p.Failures, func(a, b Failure) int {
			return cmp.Or(cmp.Compare(b.Links, a.Links), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Kind, b.Kind))
		})
		f.Providers = append(f.Providers, *p)
	}
	slices.SortFunc(f.Providers, func(a, b Provider) int {
		return cmp.Or(cmp.Compare(b.Chosen, a.Chosen), cmp.Compare(a.Provider, b.Provider))
	})
	return f, nil
}
