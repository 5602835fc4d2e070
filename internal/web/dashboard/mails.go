package dashboard

import (
	"slices"

	"latchkey"
	"latchkey/internal/store"
)

func mailRoutes() []route {
	return []route{
		{method: get, path: "/apps/{app}/settings/mails", access: accessViewer, section: "settings", tab: "mails", handle: listMails},
		{method: get, path: "/apps/{app}/settings/mails/{id}", access: accessViewer, section: "settings", tab: "mails", handle: mailPage},
	}
}

func mailStatuses() []latchkey.MailStatus {
	return []latchkey.MailStatus{latchkey.MailQueued, latchkey.MailAccepted, latchkey.MailFailed, latchkey.MailExpired, latchkey.MailCanceled}
}

// shownProblems is how many mails stand above the list because something is wrong with them; of
// lookedAt, for whoever asks with addresses that are not let in makes many that are as they should be.
const (
	shownProblems = 5
	lookedAt      = 50
)

// listMails is what became of the mail: what went wrong first, then all.
func listMails(c *call) (answer, error) {
	p := &page{Title: c.say("mails.title"), Lead: c.say("mails.lead")}
	status := latchkey.MailStatus(c.r.URL.Query().Get("status"))
	before := c.r.URL.Query().Get("before")
	if !slices.Contains(mailStatuses(), status) {
		status = ""
	}
	where := store.Page{Limit: pageSize + 1, Before: before}
	read := func() ([]latchkey.Mail, error) { return c.d.cfg.Mails.Mails(c.ctx, c.app.ID, where) }
	if status != "" {
		read = func() ([]latchkey.Mail, error) { return c.d.cfg.Mails.MailsByStatus(c.ctx, c.app.ID, status, where) }
	}
	all, err := read()
	if err != nil {
		return answer{}, err
	}
	all, more := paged(c, all, func(m latchkey.Mail) string { return string(m.ID) })
	if len(all) == 0 && status == "" && before == "" {
		return answer{page: p.add(block{Empty: c.empty("mails", accessDeveloper, "")})}, nil
	}
	if status == "" && before == "" {
		if err := c.addProblems(p); err != nil {
			return answer{}, err
		}
	}
	options := []option{{"", c.say("filter.any"), status == ""}}
	for _, st := range mailStatuses() {
		options = append(options, option{string(st), c.say("mail." + string(st)), st == status})
	}
	p.add(block{Filter: &filterForm{Submit: c.say("filter.show"), Fields: []field{{Name: "status", Label: c.say("col.status"), Type: "select", Options: options}}}})
	if len(all) == 0 {
		return answer{page: p.add(block{Text: c.say("filter.nothing")})}, nil
	}
	t := c.mailTable(all)
	t.More = more
	return answer{page: p.add(block{Table: t})}, nil
}

// addProblems puts above the list what somebody should look at.
func (c *call) addProblems(p *page) error {
	bad, err := c.d.cfg.Mails.Problems(c.ctx, c.app.ID, store.Page{Limit: lookedAt})
	if err != nil {
		return err
	}
	bad = slices.DeleteFunc(bad, func(m latchkey.Mail) bool { return m.Attempts == 0 && m.Code != "" && m.Status == latchkey.MailFailed })
	if len(bad) == 0 {
		return nil
	}
	bad = bad[:min(len(bad), shownProblems)]
	t := c.mailTable(bad)
	t.Caption = c.say("mails.problems")
	p.add(block{Heading: c.say("mails.problems")}, block{Table: t}, block{Heading: c.say("mails.all")})
	return nil
}

func (c *call) mailTable(all []latchkey.Mail) *table {
	t := &table{Caption: c.say("mails.title"), Cols: []string{c.say("col.to"), c.say("col.status"), c.say("mails.kind"), c.say("mails.tries"), c.say("col.created")}}
	for _, m := range all {
		t.Rows = append(t.Rows, row{
			{Text: m.To, Href: c.appPath("/settings/mails/" + string(m.ID))},
			c.mailState(m),
			{Text: c.d.sayOr("mail_kind."+m.Kind, m.Kind)},
			{Text: number(int64(m.Attempts)), Num: true},
			when(m.CreatedAt),
		})
	}
	return t
}

func (c *call) mailState(m latchkey.Mail) cell {
	st := cell{Text: c.say("mail." + string(m.Status)), Badge: "plain", Sub: c.trouble(m.Code)}
	switch m.Status {
	case latchkey.MailAccepted:
		st.Badge = "good"
	case latchkey.MailFailed, latchkey.MailExpired:
		st.Badge = "bad"
	case latchkey.MailQueued:
		if m.Attempts > 0 {
			st.Badge = "warn"
		}
	}
	return st
}

func mailPage(c *call) (answer, error) {
	m, err := c.d.cfg.Mails.Mail(c.ctx, c.app.ID, latchkey.MailID(c.id()))
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("mails.one", "to", m.To), Lead: c.say("mails.no_text"), Crumb: &link{c.say("mails.title"), c.appPath("/settings/mails")}}
	by := cell{Text: c.say("mails.by_default")}
	if m.SenderID != "" {
		by = cell{Text: string(m.SenderID), Mono: true, Href: c.senderPath(m.SenderID)}
	}
	facts := []fact{
		{c.say("col.status"), c.mailState(m)},
		{c.say("mails.kind"), cell{Text: c.d.sayOr("mail_kind."+m.Kind, m.Kind)}},
		{c.say("senders.sender"), by},
		{c.say("mails.tries"), cell{Text: number(int64(m.Attempts))}},
	}
	if m.Detail != "" {
		facts = append(facts, fact{c.say("senders.said"), cell{Text: m.Detail, Mono: true}})
	}
	if m.Status == latchkey.MailQueued {
		facts = append(facts, fact{c.say("mails.next"), when(m.DueAt)})
	}
	return answer{page: p.add(block{Facts: append(facts,
		fact{c.say("mails.until"), when(m.ExpiresAt)}, fact{c.say("col.created"), when(m.CreatedAt)}, fact{c.say("mails.changed"), when(m.UpdatedAt)},
		fact{c.say("col.id"), cell{Text: string(m.ID), Mono: true}})})}, nil
}
