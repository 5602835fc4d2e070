package dashboard

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/store"
	"latchkey/internal/web"
)

// pageSize is how long a list is before there is more.
const pageSize = 50

func linkRoutes() []route {
	return []route{
		{method: get, path: "/apps/{app}/links", access: accessViewer, section: "links", handle: listLinks},
		{method: get, path: "/apps/{app}/links/new", access: accessDeveloper, section: "links", handle: newLink},
		{method: post, path: "/apps/{app}/links/new", access: accessDeveloper, section: "links", action: "create_link", handle: createLink},
		{method: get, path: "/apps/{app}/links/{id}", access: accessViewer, section: "links", handle: linkPage},
		{method: get, path: "/apps/{app}/links/{id}/expire", access: accessDeveloper, section: "links", handle: askExpireLink},
		{method: post, path: "/apps/{app}/links/{id}/expire", access: accessDeveloper, section: "links", action: "expire_link", handle: expireLink},
	}
}

// before is where the list goes on.
func (c *call) before(prefix string) store.Page {
	p := store.Page{Limit: pageSize + 1}
	if b := c.r.URL.Query().Get("before"); len(b) < 40 && strings.HasPrefix(b, prefix) {
		p.Before = b
	}
	return p
}

// paged cuts a list to a page, and says where the next one begins.
func paged[T any](c *call, list []T, id func(T) string) ([]T, string) {
	if len(list) <= pageSize {
		return list, ""
	}
	list = list[:pageSize]
	q := c.r.URL.Query()
	q.Set("before", id(list[len(list)-1]))
	q.Del("done")
	return list, "?" + q.Encode()
}

func linkStatuses() []latchkey.LinkStatus {
	return []latchkey.LinkStatus{
		latchkey.LinkCreated, latchkey.LinkInProgress, latchkey.LinkCompleted, latchkey.LinkFailed, latchkey.LinkCanceled, latchkey.LinkExpired,
	}
}

func listLinks(c *call) (answer, error) {
	q := c.r.URL.Query()
	filter := store.LinkFilter{Now: c.d.now(), Name: q.Get("name")}
	if st, ok := latchkey.ParseLinkStatus(q.Get("status")); ok {
		filter.Status = st
	}
	if len(filter.Name) > maxLinkName || !utf8.ValidString(filter.Name) || strings.ContainsRune(filter.Name, 0) {
		filter.Name = ""
	}
	links, err := c.d.cfg.Links.Links(c.ctx, c.app.ID, filter, c.before("lnk_"))
	if err != nil {
		return answer{}, err
	}
	links, more := paged(c, links, func(l latchkey.Link) string { return string(l.ID) })
	p := &page{Title: c.say("links.title"), Lead: c.say("links.lead")}
	if c.may(accessDeveloper) {
		p.Actions = []button{{Text: c.say("links.new"), Href: c.appPath("/links/new")}}
	}
	narrowed := filter.Status != "" || filter.Name != "" || q.Get("before") != ""
	if len(links) == 0 && !narrowed {
		return answer{page: p.add(block{Empty: c.empty("links", accessDeveloper, "/links/new")})}, nil
	}
	options := []option{{"", c.say("filter.any"), filter.Status == ""}}
	for _, st := range linkStatuses() {
		options = append(options, option{string(st), c.say("link." + string(st)), st == filter.Status})
	}
	p.add(block{Filter: &filterForm{Submit: c.say("filter.show"), Fields: []field{
		{Name: "status", Label: c.say("col.status"), Type: "select", Options: options},
		{Name: "name", Label: c.say("links.name"), Value: filter.Name, Max: maxLinkName},
	}}})
	if len(links) == 0 {
		return answer{page: p.add(block{Text: c.say("filter.nothing")})}, nil
	}
	t := &table{Caption: c.say("links.title"), More: more, Cols: []string{c.say("col.link"), c.say("col.status"), c.say("links.name"), c.say("links.providers"), c.say("col.created"), c.say("col.expires")}}
	for _, l := range links {
		st := c.status("link", string(l.Status))
		st.Sub = c.codeSaid(l.LastFailure)
		t.Rows = append(t.Rows, row{
			{Text: string(l.ID), Mono: true, Href: c.appPath("/links/" + string(l.ID))},
			st,
			{Text: or(l.Name)},
			{Text: or(strings.Join(l.Terms.Providers, ", "))},
			when(l.CreatedAt), when(l.ExpiresAt),
		})
	}
	return answer{page: p.add(block{Table: t})}, nil
}

// empty is an empty list, with the button for those who may use it.
func (c *call) empty(what string, a access, to string) *empty {
	e := &empty{Title: c.say(what + ".empty_title"), Text: c.say(what + ".empty")}
	if c.may(a) && to != "" {
		e.Next = &link{c.say(what + ".new"), c.appPath(to)}
	}
	return e
}

// codeSaid is a code with its meaning, where the catalog has one.
func (c *call) codeSaid(code string) string {
	if code == "" {
		return ""
	}
	return c.d.sayOr("reason."+code, c.d.sayOr("code."+code, code))
}

const (
	maxLinkName = 1024
	maxIdentity = 320
)

// lives are how long a link made by hand may live.
func lives() []struct {
	key string
	d   time.Duration
} {
	return []struct {
		key string
		d   time.Duration
	}{{"1h", time.Hour}, {"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"30d", 30*24*time.Hour - time.Minute}}
}

func (c *call) linkForm() (*page, *form) {
	chosen := c.r.PostForm["providers"]
	var providers []option
	for _, p := range []latchkey.Provider{
		latchkey.Google, latchkey.Microsoft, latchkey.IMAP, latchkey.LinkedIn, latchkey.WhatsApp, latchkey.Instagram, latchkey.Telegram, latchkey.Mock,
	} {
		if p != latchkey.Mock || c.app.Test {
			providers = append(providers, option{string(p), c.say("provider." + string(p)), slices.Contains(chosen, string(p))})
		}
	}
	var life []option
	for _, l := range lives() {
		life = append(life, option{l.key, c.say("life." + l.key), c.form("life") == l.key})
	}
	return &page{Title: c.say("links.new"), Lead: c.say("links.new_lead"), Crumb: &link{c.say("links.title"), c.appPath("/links")}},
		&form{Action: c.appPath("/links/new"), Submit: c.say("links.create"), Cancel: c.appPath("/links"), Fields: []field{
			{Name: "providers", Type: "checks", Label: c.say("links.providers"), Hint: c.say("links.providers_hint"), Options: providers},
			{Name: "life", Type: "select", Label: c.say("links.life"), Options: life},
			{Name: "name", Label: c.say("links.name"), Hint: c.say("links.name_hint"), Max: maxLinkName, Value: c.form("name")},
			{Name: "email", Label: c.say("links.email"), Hint: c.say("links.email_hint"), Type: "email", Max: 254, Value: c.form("email")},
			{Name: "success_redirect_url", Label: c.say("links.success"), Hint: c.say("links.success_hint"), Type: "url", Max: 2048, Value: c.form("success_redirect_url")},
			{Name: "failure_redirect_url", Label: c.say("links.failure"), Hint: c.say("links.failure_hint"), Type: "url", Max: 2048, Value: c.form("failure_redirect_url")},
			{Name: "notify_url", Label: c.say("links.notify"), Hint: c.say("links.notify_hint"), Type: "url", Max: 2048, Value: c.form("notify_url")},
			{Name: "notify_failures", Type: "checkbox", Label: c.say("links.notify_failures"), Checked: c.form("notify_failures") == "true"},
			{Name: "account_id", Label: c.say("links.account_id"), Hint: c.say("links.account_id_hint"), Max: web.MaxExternalID, Value: c.form("account_id")},
			c.languageField("locale", "links.locale", "links.locale_hint", ""),
			c.notifyField(c.notifyHint("links.notify_email"), ""),
			{Name: "expected_identity", Label: c.say("links.expected"), Hint: c.say("links.expected_hint"), Max: 320, Value: c.form("expected_identity")},
		}}
}

func newLink(c *call) (answer, error) {
	p, f := c.linkForm()
	return answer{page: p.add(block{Form: f})}, nil
}

// linkSpec reads the form. What is wrong is told all at once.
func (c *call) linkSpec() (hosted.LinkSpec, error) {
	var wrong []errs.FieldError
	fail := func(field string, code errs.Code, message string) {
		wrong = append(wrong, errs.FieldError{Field: field, Code: code, Message: message})
	}
	spec := hosted.LinkSpec{Type: latchkey.LinkCreate, Dialect: latchkey.DialectLink, Name: c.form("name"), ExpiresAt: c.d.now().Add(time.Hour)}
	for _, s := range c.r.PostForm["providers"] {
		p, ok := latchkey.ParseProvider(s)
		switch {
		case !ok || p == latchkey.Mock && !c.app.Test:
			fail("providers", errs.CodeInvalidValue, c.say("links.bad_provider"))
		case !slices.Contains(spec.Terms.Providers, string(p)):
			spec.Terms.Providers = append(spec.Terms.Providers, string(p))
		}
	}
	if len(spec.Terms.Providers) == 0 {
		spec.Terms.Providers = []string{latchkey.AllProviders}
	}
	for _, l := range lives() {
		if l.key == c.form("life") {
			spec.ExpiresAt = c.d.now().Add(l.d)
		}
	}
	if utf8.RuneCountInString(spec.Name) > maxLinkName || strings.ContainsFunc(spec.Name, func(r rune) bool { return r < ' ' }) {
		fail("name", errs.CodeInvalidValue, c.say("links.bad_name"))
	}
	if s := c.form("email"); s != "" {
		a, err := address.Parse(s)
		if err != nil {
			fail("email", errs.CodeInvalidEmail, c.say("form.bad_email"))
		}
		spec.Terms.Email = a.Typed
	}
	if s := c.form("account_id"); s != "" {
		if code, why := web.BadExternalID(s); code != "" {
			fail("account_id", code, why)
		}
		spec.Terms.ExternalID = s
	}
	spec.Terms.NotifyEmail, spec.Terms.Locale = c.notifyEmail(&wrong), c.languageTag("locale", &wrong)
	for name, to := range map[string]*string{"success_redirect_url": &spec.Terms.SuccessURL, "failure_redirect_url": &spec.Terms.FailureURL, "notify_url": &spec.Terms.NotifyURL} {
		if *to = c.form(name); *to != "" {
			if why := web.BadURL(*to); why != "" {
				fail(name, errs.CodeInvalidURL, why)
			}
		}
	}
	spec.Terms.NotifyFailures = c.form("notify_failures") == "true"
	if spec.Terms.ExpectedIdentity = c.form("expected_identity"); len(spec.Terms.ExpectedIdentity) > maxIdentity || strings.ContainsFunc(spec.Terms.ExpectedIdentity, unicode.IsControl) {
		fail("expected_identity", errs.CodeInvalidValue, c.say("form.too_long"))
	}
	if wrong != nil {
		return spec, errs.InvalidFields(wrong...)
	}
	return spec, nil
}

func createLink(c *call) (answer, error) {
	spec, err := c.linkSpec()
	var made hosted.CreatedLink
	if err == nil {
		made, err = c.d.cfg.Links.CreateLink(c.ctx, c.app, spec)
	}
	if err != nil {
		p, f := c.linkForm()
		return c.again(p, f, err)
	}
	p := &page{Title: c.say("links.created"), Lead: c.say("links.created_lead", "time", when(made.Link.ExpiresAt).Text), Crumb: &link{c.say("links.title"), c.appPath("/links")}}
	p.add(block{Once: &once{Label: c.say("once.link"), Value: c.d.base + "/c/" + made.Token, Hint: c.say("once.link_hint")}},
		block{Buttons: []button{
			{Text: c.say("links.open"), Href: c.d.base + "/c/" + made.Token},
			{Text: c.say("links.watch"), Href: c.appPath("/links/" + string(made.Link.ID)), Tone: "quiet"},
		}})
	return answer{page: p}, nil
}

func linkPage(c *call) (answer, error) {
	l, events, err := c.d.cfg.Links.Link(c.ctx, c.app.ID, latchkey.LinkID(c.id()))
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("links.one"), Crumb: &link{c.say("links.title"), c.appPath("/links")}}
	if c.may(accessDeveloper) && l.Status != latchkey.LinkCompleted && l.Status != latchkey.LinkExpired {
		p.Actions = []button{{Text: c.say("links.expire"), Href: c.appPath("/links/" + string(l.ID) + "/expire"), Tone: "quiet"}}
	}
	st := c.status("link", string(l.Status))
	st.Sub = c.d.sayOr("link_says."+string(l.Status), "")
	facts := []fact{
		{c.say("col.status"), st},
		{c.say("col.id"), cell{Text: string(l.ID), Mono: true}},
		{c.say("links.name"), cell{Text: or(l.Name)}},
		{c.say("links.providers"), cell{Text: or(strings.Join(l.Terms.Providers, ", "))}},
		{c.say("col.created"), when(l.CreatedAt)},
		{c.say("col.expires"), when(l.ExpiresAt)},
		{c.say("links.opened"), cell{Text: number(l.OpenedCount)}},
	}
	if l.LastFailure != "" {
		facts = append(facts, fact{c.say("links.last_failure"), cell{Text: c.codeSaid(l.LastFailure), Sub: l.LastFailure}})
	}
	if id := l.AccountID; id != "" {
		facts = append(facts, fact{c.say("col.account"), cell{Text: string(id), Mono: true, Href: c.appPath("/accounts/" + string(id))}})
	}
	p.add(block{Facts: facts})
	t := &table{Caption: c.say("links.events"), Cols: []string{c.say("col.time"), c.say("col.what"), c.say("col.step"), c.say("col.code")}}
	t.Rows = append(t.Rows, row{when(l.CreatedAt), {Text: c.say("event.link.created")}, {Text: "–"}, {Text: "–"}})
	for _, e := range events {
		if e.Type == latchkey.EventLinkCreated {
			continue
		}
		var data struct {
			Step string `json:"step"`
			Code string `json:"code"`
		}
		if len(e.Data) > 0 && json.Unmarshal(e.Data, &data) != nil {
			data.Step, data.Code = "", ""
		}
		t.Rows = append(t.Rows, row{when(e.CreatedAt), {Text: c.d.sayOr("event."+string(e.Type), string(e.Type))}, {Text: or(data.Step), Mono: data.Step != ""}, {Text: or(c.codeSaid(data.Code))}})
	}
	return answer{page: p.add(block{Heading: c.say("links.events")}, block{Table: t})}, nil
}

func askExpireLink(c *call) (answer, error) {
	l, _, err := c.d.cfg.Links.Link(c.ctx, c.app.ID, latchkey.LinkID(c.id()))
	if err != nil {
		return answer{}, err
	}
	return c.ask(c.say("links.expire_title"), c.say("links.expire_lead"), c.say("links.expire"), c.r.URL.Path, c.appPath("/links/"+string(l.ID)))
}

func expireLink(c *call) (answer, error) {
	l, err := c.d.cfg.Links.ExpireLink(c.ctx, c.app.ID, latchkey.LinkID(c.id()))
	return answer{to: c.appPath("/links/" + string(l.ID) + "?done=expired")}, err
}
