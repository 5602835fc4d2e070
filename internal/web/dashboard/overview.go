package dashboard

import (
	"time"

	"latchkey"
	"latchkey/internal/funnel"
	"latchkey/internal/store"
)

// funnelDays is how far back the overview looks.
const funnelDays = 30

// statuses are in the order of the charts and filters.
func statuses() []latchkey.AccountStatus {
	return []latchkey.AccountStatus{
		latchkey.AccountOK, latchkey.AccountConnecting, latchkey.AccountCredentials, latchkey.AccountPermissions, latchkey.AccountError, latchkey.AccountStopped,
	}
}

func overview(c *call) (answer, error) {
	accounts, err := c.d.counts.of(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	counts, now := accounts.by, c.d.now()
	f, err := c.d.cfg.Funnel.Read(c.ctx, c.app.ID, now.AddDate(0, 0, 1-funnelDays), now)
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("overview.title")}
	todo, err := c.todo(counts)
	if err != nil {
		return answer{}, err
	}
	p.add(todo...)
	if accounts.total() > 0 {
		b := &bars{Title: c.say("overview.accounts"), Stack: true}
		for _, st := range statuses() {
			if counts[st] > 0 {
				b.Rows = append(b.Rows, bar{Label: c.d.sayOr("status."+string(st), string(st)), Href: c.appPath("/accounts?status=" + string(st)), Tone: tone(string(st)), n: counts[st]})
			}
		}
		p.add(block{Bars: b.scaled()})
		if age := now.Sub(accounts.at); age >= countsFresh {
			p.add(block{Text: c.d.plural("overview.age", int64(age/time.Second))})
		}
	}
	if f.Created > 0 {
		p.add(block{Bars: c.funnelBars(f)})
		if f.AsOf.After(time.Time{}) {
			p.add(block{Text: c.say("overview.as_of", "time", when(f.AsOf).Text)})
		}
		p.add(c.failures(f)...)
	}
	return answer{page: p}, nil
}

func (c *call) funnelBars(f funnel.Funnel) *bars {
	return (&bars{Title: c.say("overview.funnel"), Rows: []bar{
		{Label: c.say("funnel.created"), Tone: "brand", n: f.Created},
		{Label: c.say("funnel.opened"), Tone: "brand", n: f.Opened},
		{Label: c.say("funnel.started"), Tone: "brand", n: f.Started},
		{Label: c.say("funnel.chosen"), Tone: "brand", n: f.Chosen},
		{Label: c.say("funnel.connected"), Tone: "good", n: f.Connected},
	}}).scaled()
}

// failures are where people gave up or failed most.
func (c *call) failures(f funnel.Funnel) []block {
	t := &table{Caption: c.say("overview.failures"), Cols: []string{c.say("col.provider"), c.say("col.step"), c.say("col.code"), c.say("col.links")}}
	for _, p := range f.Providers {
		for i, x := range p.Failures {
			if i == 3 {
				break
			}
			t.Rows = append(t.Rows, row{{Text: or(string(p.Provider))}, {Text: or(x.Step), Mono: true}, {Text: or(x.Code), Mono: true}, {Text: number(x.Links), Num: true}})
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return []block{{Heading: c.say("overview.failures")}, {Table: t}}
}

func or(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// todo says what to do next: what is broken first, then what a new application lacks.
func (c *call) todo(counts map[latchkey.AccountStatus]int64) ([]block, error) {
	var out []block
	if n := counts[latchkey.AccountCredentials] + counts[latchkey.AccountPermissions]; n > 0 {
		out = append(out, block{Note: &note{Tone: "warn", Title: c.d.plural("todo.reconnect_title", n), Text: c.say("todo.reconnect")}},
			block{Links: []link{{c.say("todo.reconnect_link"), c.appPath("/accounts?status=CREDENTIALS")}}})
	}
	hooks, err := c.d.cfg.Webhooks.Endpoints(c.ctx, c.app.ID)
	if err != nil {
		return nil, err
	}
	for _, e := range hooks {
		if e.Paused != "" && e.Paused != latchkey.PausedByOwner {
			out = append(out, block{Note: &note{Tone: "bad", Title: c.say("todo.paused_title", "name", nameOf(e)), Text: c.say("paused." + string(e.Paused))}},
				block{Links: []link{{c.say("todo.paused_link"), c.appPath("/webhooks/" + string(e.ID))}}})
		}
	}
	apps, err := c.d.cfg.ProviderApps.List(c.ctx, c.app.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range apps {
		if a.Flag != "" {
			out = append(out, block{Note: &note{Tone: "bad", Title: c.say("todo.app_title", "name", a.Name), Text: c.say("todo.app", "code", a.Flag)}},
				block{Links: []link{{c.say("todo.app_link"), c.appPath("/provider-apps/" + string(a.ID))}}})
		}
	}
	senders, err := c.senderTodo()
	if err != nil {
		return nil, err
	}
	out = append(out, senders...)
	links, err := c.d.cfg.Links.Links(c.ctx, c.app.ID, store.LinkFilter{Now: c.d.now()}, store.Page{Limit: 1})
	if err != nil || len(links) > 0 {
		return out, err
	}
	e := &empty{Title: c.say("todo.first_title"), Text: c.say("todo.first")}
	if c.may(accessDeveloper) {
		e.Next = &link{c.say("links.new"), c.appPath("/links/new")}
	}
	return append(out, block{Empty: e}), nil
}
