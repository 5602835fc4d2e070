package dashboard

import (
	"slices"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/store"
)

func accountRoutes() []route {
	return []route{
		{method: get, path: "/apps/{app}/accounts", access: accessViewer, section: "accounts", handle: listAccounts},
		{method: get, path: "/apps/{app}/accounts/{id}", access: accessViewer, section: "accounts", handle: accountPage},
		{method: post, path: "/apps/{app}/accounts/{id}/check", access: accessDeveloper, section: "accounts", action: "check_account", handle: checkAccount},
		{method: post, path: "/apps/{app}/accounts/{id}/reconnect", access: accessDeveloper, section: "accounts", action: "create_link", handle: reconnectLink},
		{method: post, path: "/apps/{app}/accounts/{id}/reconnect-url", access: accessDeveloper, section: "accounts", action: "create_reconnect_url", handle: reconnectURL},
		{method: get, path: "/apps/{app}/accounts/{id}/reconnect-url/revoke", access: accessDeveloper, section: "accounts", handle: askRevokeURLs},
		{method: post, path: "/apps/{app}/accounts/{id}/reconnect-url/revoke", access: accessDeveloper, section: "accounts", action: "delete_reconnect_url", handle: revokeURLs},
		{method: get, path: "/apps/{app}/accounts/{id}/edit", access: accessDeveloper, section: "accounts", handle: editAccount},
		{method: post, path: "/apps/{app}/accounts/{id}/edit", access: accessDeveloper, section: "accounts", action: "change_account", handle: saveAccount},
		{method: get, path: "/apps/{app}/accounts/{id}/delete", access: accessDeveloper, section: "accounts", handle: askDeleteAccount},
		{method: post, path: "/apps/{app}/accounts/{id}/delete", access: accessDeveloper, section: "accounts", action: "delete_account", handle: deleteAccount},
	}
}

func listAccounts(c *call) (answer, error) {
	want := latchkey.AccountStatus(c.r.URL.Query().Get("status"))
	var (
		list []latchkey.Account
		err  error
	)
	if slices.Contains(statuses(), want) {
		list, err = c.d.cfg.Accounts.ListByStatus(c.ctx, c.app.ID, want, c.before("acc_"))
	} else {
		want = ""
		list, err = c.d.cfg.Accounts.List(c.ctx, c.app.ID, c.before("acc_"))
	}
	if err != nil {
		return answer{}, err
	}
	list, more := paged(c, list, func(a latchkey.Account) string { return string(a.ID) })
	p := &page{Title: c.say("accounts.title"), Lead: c.say("accounts.lead")}
	if c.may(accessDeveloper) && (len(list) > 0 || want != "") {
		p.Actions = []button{{Text: c.say("accounts.new"), Href: c.appPath("/links/new")}}
	}
	if len(list) == 0 && want == "" && c.r.URL.Query().Get("before") == "" {
		return answer{page: p.add(block{Empty: c.empty("accounts", accessDeveloper, "/links/new")})}, nil
	}
	options := []option{{"", c.say("filter.any"), want == ""}}
	for _, st := range statuses() {
		options = append(options, option{string(st), c.d.sayOr("status."+string(st), string(st)), st == want})
	}
	p.add(block{Filter: &filterForm{Submit: c.say("filter.show"), Fields: []field{{Name: "status", Label: c.say("col.status"), Type: "select", Options: options}}}})
	if len(list) == 0 {
		return answer{page: p.add(block{Text: c.say("filter.nothing")})}, nil
	}
	t := &table{Caption: c.say("accounts.title"), More: more, Cols: []string{c.say("col.account"), c.say("col.status"), c.say("col.provider"), c.say("accounts.external"), c.say("col.connected")}}
	for _, a := range list {
		st := c.status("status", string(a.Status))
		st.Sub = c.codeSaid(string(a.Reason))
		t.Rows = append(t.Rows, row{
			{Text: shownAccount(a), Href: c.appPath("/accounts/" + string(a.ID))}, st, {Text: c.d.sayOr("provider."+string(a.Provider), string(a.Provider))}, {Text: or(a.ExternalID)}, when(a.CreatedAt),
		})
	}
	return answer{page: p.add(block{Table: t})}, nil
}

func shownAccount(a latchkey.Account) string {
	if a.Identity != "" {
		return a.Identity
	}
	if a.Name != "" {
		return a.Name
	}
	return string(a.ID)
}

// account finds the account that the path names, by our id only: the application's own name for it may
// hold anything.
func (c *call) account() (latchkey.Account, error) {
	if !latchkey.HasPrefixOfID(c.id()) {
		return latchkey.Account{}, errs.NotFoundf("account")
	}
	return c.d.cfg.Accounts.Get(c.ctx, c.app.ID, c.id())
}

func (c *call) accountPath(a latchkey.Account, path string) string {
	return c.appPath("/accounts/" + string(a.ID) + path)
}

func accountPage(c *call) (answer, error) {
	a, err := c.account()
	if err != nil {
		return answer{}, err
	}
	history, err := c.d.cfg.Accounts.History(c.ctx, c.app.ID, string(a.ID), store.Page{Limit: pageSize})
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: shownAccount(a), Crumb: &link{c.say("accounts.title"), c.appPath("/accounts")}}
	if a.Status != latchkey.AccountOK {
		p.add(block{Note: &note{Tone: noteTone(a.Status), Title: c.codeSaid(string(a.Reason)), Text: c.d.sayOr("action."+string(latchkey.ActionFor(a.Status, a.Reason)), "")}})
	}
	st := c.status("status", string(a.Status))
	st.Sub = c.say("accounts.since", "time", when(a.StatusAt).Text)
	facts := []fact{
		{c.say("col.status"), st},
		{c.say("col.id"), cell{Text: string(a.ID), Mono: true}},
		{c.say("accounts.external"), cell{Text: or(a.ExternalID)}},
		{c.say("col.provider"), cell{Text: c.d.sayOr("provider."+string(a.Provider), string(a.Provider))}},
		{c.say("col.name"), cell{Text: or(a.Name)}},
		{c.say("accounts.identity"), cell{Text: or(a.Identity), Sub: c.d.sayOr("proof."+string(a.Proof), "")}},
		{c.say("col.connected"), when(a.CreatedAt)},
		{c.say("accounts.checked"), when(a.CheckedAt)},
	}
	told := cell{Text: or(a.Notify.Email)}
	if a.Notify.Locale != "" {
		told.Sub = c.say("accounts.notify_in", "language", a.Notify.Locale)
	}
	facts = append(facts, fact{c.say("accounts.notify_email"), told})
	if !a.ExpiresAt.IsZero() {
		facts = append(facts, fact{c.say("accounts.expires"), when(a.ExpiresAt)})
	}
	for _, s := range a.Sources {
		f := c.status("status", string(s.Status))
		f.Sub = c.codeSaid(string(s.Reason))
		facts = append(facts, fact{s.ID, f})
	}
	p.add(block{Facts: facts})
	if c.may(accessDeveloper) {
		p.add(block{Buttons: []button{
			{Text: c.say("accounts.check"), Href: c.accountPath(a, "/check"), Post: true, Tone: "quiet"},
			{Text: c.say("accounts.reconnect"), Href: c.accountPath(a, "/reconnect"), Post: true, Tone: "quiet"},
			{Text: c.say("accounts.url"), Href: c.accountPath(a, "/reconnect-url"), Post: true, Tone: "quiet"},
			{Text: c.say("accounts.revoke"), Href: c.accountPath(a, "/reconnect-url/revoke"), Tone: "quiet"},
			{Text: c.say("accounts.edit"), Href: c.accountPath(a, "/edit"), Tone: "quiet"},
			{Text: c.say("accounts.delete"), Href: c.accountPath(a, "/delete"), Tone: "danger"},
		}})
	}
	p.add(block{Heading: c.say("accounts.history")})
	if len(history) == 0 {
		return answer{page: p.add(block{Text: c.say("accounts.no_history")})}, nil
	}
	t := &table{Caption: c.say("accounts.history"), Cols: []string{c.say("col.time"), c.say("col.from"), c.say("col.to"), c.say("col.why"), c.say("col.found_by")}}
	for _, h := range history {
		from := cell{Text: "–"}
		if h.From != "" {
			from = c.status("status", string(h.From))
		}
		t.Rows = append(t.Rows, row{when(h.At), from, c.status("status", string(h.To)), {Text: or(c.codeSaid(string(h.ToReason)))}, {Text: c.d.sayOr("cause."+string(h.Cause), string(h.Cause))}})
	}
	return answer{page: p.add(block{Table: t})}, nil
}

func noteTone(s latchkey.AccountStatus) string {
	if tone(string(s)) == "bad" {
		return "bad"
	}
	return "warn"
}

func checkAccount(c *call) (answer, error) {
	a, err := c.account()
	if err != nil {
		return answer{}, err
	}
	_, err = c.d.cfg.Accounts.Check(c.ctx, c.app.ID, string(a.ID))
	return answer{to: c.accountPath(a, "?done=checked")}, err
}

// linkLife is how long a reconnect link lives, urlLife a URL for an email.
const (
	linkLife = time.Hour
	urlLife  = 30 * 24 * time.Hour
)

func reconnectLink(c *call) (answer, error) {
	a, err := c.account()
	if err != nil {
		return answer{}, err
	}
	made, err := c.d.cfg.Links.CreateLink(c.ctx, c.app, hosted.LinkSpec{
		Type: latchkey.LinkReconnect, Dialect: latchkey.DialectLink, Reconnect: string(a.ID), ExpiresAt: c.d.now().Add(linkLife),
	})
	if err != nil {
		return answer{}, err
	}
	return c.shownURL(a, c.d.base+"/c/"+made.Token, "links.created", c.say("accounts.link_lead", "time", when(made.Link.ExpiresAt).Text))
}

func reconnectURL(c *call) (answer, error) {
	a, err := c.account()
	if err != nil {
		return answer{}, err
	}
	made, err := c.d.cfg.Links.CreateReconnectURL(c.ctx, c.app, hosted.ReconnectURLSpec{Account: string(a.ID), ExpiresAt: c.d.now().Add(urlLife)})
	if err != nil {
		return answer{}, err
	}
	return c.shownURL(a, c.d.base+"/r/"+made.Token, "accounts.url_made", c.say("accounts.url_lead", "time", when(made.URL.ExpiresAt).Text))
}

func (c *call) shownURL(a latchkey.Account, u, title, lead string) (answer, error) {
	p := &page{Title: c.say(title), Lead: lead, Crumb: &link{shownAccount(a), c.accountPath(a, "")}}
	return answer{page: p.add(block{Once: &once{Label: c.say("once.link"), Value: u, Hint: c.say("once.link_hint")}})}, nil
}

func askRevokeURLs(c *call) (answer, error) {
	a, err := c.account()
	if err != nil {
		return answer{}, err
	}
	return c.ask(c.say("accounts.revoke_title"), c.say("accounts.revoke_lead"), c.say("accounts.revoke"), c.r.URL.Path, c.accountPath(a, ""))
}

func revokeURLs(c *call) (answer, error) {
	a, err := c.account()
	if err != nil {
		return answer{}, err
	}
	return answer{to: c.accountPath(a, "?done=revoked")}, c.d.cfg.Links.RevokeReconnectURLs(c.ctx, c.app.ID, string(a.ID))
}

func askDeleteAccount(c *call) (answer, error) {
	a, err := c.account()
	if err != nil {
		return answer{}, err
	}
	return c.ask(c.say("accounts.delete_title", "name", shownAccount(a)), c.say("accounts.delete_lead"), c.say("accounts.delete"), c.r.URL.Path, c.accountPath(a, ""))
}

func deleteAccount(c *call) (answer, error) {
	a, err := c.account()
	if err != nil {
		return answer{}, err
	}
	return answer{to: c.appPath("/accounts?done=account_deleted")}, c.d.cfg.Accounts.Delete(c.ctx, c.app.ID, string(a.ID))
}
