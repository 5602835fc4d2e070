package dashboard

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/signin"
)

func signInRoutes() []route {
	return []route{
		{method: get, path: "/apps/{app}/signin", access: accessViewer, section: "settings", tab: "signin", handle: signInSettings},
		{method: post, path: "/apps/{app}/signin", access: accessDeveloper, section: "settings", tab: "signin", action: "put_sign_in_settings", handle: saveSignIn},
		{method: get, path: "/apps/{app}/signin/{list}", access: accessViewer, section: "settings", tab: "signin", handle: rulesPage},
		{method: post, path: "/apps/{app}/signin/{list}", access: accessDeveloper, section: "settings", tab: "signin", action: "add_sign_in_rules", handle: addRules},
		{method: get, path: "/apps/{app}/signin/{list}/delete", access: accessDeveloper, section: "settings", tab: "signin", handle: askDeleteRule},
		{method: post, path: "/apps/{app}/signin/{list}/delete", access: accessDeveloper, section: "settings", tab: "signin", action: "delete_sign_in_rules", handle: deleteRule},
	}
}

func lines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' || r == ' ' || r == ',' || r == '\t' })
}

func positive(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func (c *call) signInForm(set signin.Settings) (*page, *form) {
	p := &page{Title: c.say("signin.title"), Lead: c.say("signin.lead")}
	p.add(block{Facts: []fact{
		{c.say("signin.page"), cell{Text: c.d.base + "/signin?application=" + string(c.app.ID), Mono: true, Sub: c.say("signin.page_hint")}},
		{c.say("signin.issuer"), cell{Text: c.d.cfg.OpenID.Issuer(c.app.ID), Mono: true, Sub: c.say("signin.issuer_hint")}},
	}})
	return p, &form{Action: c.appPath("/signin"), Submit: c.say("form.save"), Fields: []field{
		{Name: "redirect_uris", Label: c.say("signin.redirects"), Hint: c.say("signin.redirects_hint"), Type: "textarea", Value: strings.Join(set.RedirectURIs, "\n")},
		{Name: "sends_per_hour", Label: c.say("signin.sends"), Hint: c.say("signin.sends_hint"), Type: "number", Value: positive(set.SendsPerHour)},
		{Name: "guesses_per_hour", Label: c.say("signin.guesses"), Hint: c.say("signin.guesses_hint"), Type: "number", Value: positive(set.GuessesPerHour)},
	}}
}

func signInSettings(c *call) (answer, error) {
	set, err := c.d.cfg.SignIns.Settings(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p, f := c.signInForm(set)
	if c.may(accessDeveloper) {
		p.add(block{Form: f})
	} else {
		p.add(block{Facts: []fact{
			{c.say("signin.redirects"), cell{Text: or(strings.Join(set.RedirectURIs, ", "))}},
			{c.say("signin.sends"), cell{Text: or(positive(set.SendsPerHour))}},
			{c.say("signin.guesses"), cell{Text: or(positive(set.GuessesPerHour))}},
		}})
	}
	p.add(block{Heading: c.say("signin.lists"), Text: c.say("signin.lists_lead")})
	t := &table{Caption: c.say("signin.lists"), Cols: []string{c.say("signin.list"), c.say("signin.entries")}}
	for _, l := range []latchkey.SignInList{latchkey.SignInAllow, latchkey.SignInBlock} {
		some, err := c.d.cfg.SignIns.Rules(c.ctx, c.app.ID, l, "", 4)
		if err != nil {
			return answer{}, err
		}
		t.Rows = append(t.Rows, row{{Text: c.say("signin." + string(l)), Href: c.appPath("/signin/" + string(l)), Sub: c.say("signin." + string(l) + "_says")}, {Text: c.begin(some, l)}})
	}
	return answer{page: p.add(block{Table: t})}, nil
}

// begin is how a list begins, or what its being empty means.
func (c *call) begin(some []string, l latchkey.SignInList) string {
	switch {
	case len(some) == 0:
		return c.say("signin." + string(l) + "_empty")
	case len(some) > 3:
		return strings.Join(some[:3], ", ") + " …"
	}
	return strings.Join(some, ", ")
}

func saveSignIn(c *call) (answer, error) {
	set := signin.Settings{RedirectURIs: lines(c.form("redirect_uris"))}
	var wrong []errs.FieldError
	for name, to := range map[string]*int{"sends_per_hour": &set.SendsPerHour, "guesses_per_hour": &set.GuessesPerHour} {
		if s := c.form(name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 {
				wrong = append(wrong, errs.FieldError{Field: name, Code: errs.CodeOutOfRange, Message: c.say("signin.bad_number")})
			}
			*to = n
		}
	}
	var err error
	if wrong != nil {
		err = errs.InvalidFields(wrong...)
	} else {
		err = c.d.cfg.SignIns.PutSettings(c.ctx, c.app.ID, set)
	}
	if err != nil {
		p, f := c.signInForm(set)
		f.Fields[1].Value, f.Fields[2].Value = c.form("sends_per_hour"), c.form("guesses_per_hour")
		return c.again(p, f, err)
	}
	return answer{to: c.appPath("/signin?done=saved")}, nil
}

// ruleList is the list that the path names.
func (c *call) ruleList() (latchkey.SignInList, error) {
	switch l := latchkey.SignInList(c.r.PathValue("list")); l {
	case latchkey.SignInAllow, latchkey.SignInBlock:
		return l, nil
	}
	return "", noPage()
}

func (c *call) rulesForm(l latchkey.SignInList) (*page, *form) {
	p := &page{Title: c.say("signin." + string(l)), Lead: c.say("signin." + string(l) + "_says"), Crumb: &link{c.say("signin.title"), c.appPath("/signin")}}
	return p, &form{Action: c.appPath("/signin/" + string(l)), Submit: c.say("signin.add"), Fields: []field{
		{Name: "patterns", Label: c.say("signin.new"), Hint: c.say("signin.new_hint"), Type: "textarea", Value: c.form("patterns")},
	}}
}

func rulesPage(c *call) (answer, error) {
	l, err := c.ruleList()
	if err != nil {
		return answer{}, err
	}
	p, f := c.rulesForm(l)
	after, ok := cursorOf(c.r.URL.Query().Get("after"))
	if !ok {
		after = ""
	}
	all, err := c.d.cfg.SignIns.Rules(c.ctx, c.app.ID, l, after, pageSize+1)
	if err != nil {
		return answer{}, err
	}
	if c.may(accessDeveloper) {
		p.add(block{Form: f})
	}
	if len(all) == 0 {
		return answer{page: p.add(block{Empty: &empty{Title: c.say("signin.none"), Text: c.say("signin." + string(l) + "_empty")}})}, nil
	}
	t := &table{Caption: c.say("signin." + string(l)), Cols: []string{c.say("signin.entry")}}
	if c.may(accessDeveloper) {
		t.Cols = append(t.Cols, "")
	}
	if len(all) > pageSize {
		all = all[:pageSize]
		t.More = "?after=" + url.QueryEscape(base64.RawURLEncoding.EncodeToString([]byte(all[pageSize-1])))
	}
	for _, pattern := range all {
		r := row{{Text: pattern, Mono: true}}
		if c.may(accessDeveloper) {
			r = append(r, cell{Act: &button{
				Text: c.say("signin.remove"), Tone: "small", Label: c.say("signin.remove_title", "entry", pattern),
				Href: c.appPath("/signin/" + string(l) + "/delete?pattern=" + url.QueryEscape(base64.RawURLEncoding.EncodeToString([]byte(pattern)))),
			}})
		}
		t.Rows = append(t.Rows, r)
	}
	return answer{page: p.add(block{Table: t})}, nil
}

// cursorOf reads an entry that a page put into an address.
func cursorOf(s string) (string, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) > signin.MaxEmail+2 {
		return "", false
	}
	_, ok := signin.Pattern(string(b))
	return string(b), ok
}

func addRules(c *call) (answer, error) {
	l, err := c.ruleList()
	if err != nil {
		return answer{}, err
	}
	if _, err := c.d.cfg.SignIns.AddRules(c.ctx, c.app.ID, l, lines(c.form("patterns"))); err != nil {
		p, f := c.rulesForm(l)
		return c.again(p, f, err)
	}
	return answer{to: c.appPath("/signin/" + string(l) + "?done=rules_added")}, nil
}

func askDeleteRule(c *call) (answer, error) {
	l, err := c.ruleList()
	if err != nil {
		return answer{}, err
	}
	pattern, ok := cursorOf(c.r.URL.Query().Get("pattern"))
	if !ok {
		return answer{}, noPage()
	}
	at := c.appPath("/signin/" + string(l))
	p := &page{Title: c.say("signin.remove_title", "entry", pattern), Lead: c.say("signin." + string(l) + "_remove")}
	return answer{page: p.add(block{Form: &form{
		Action: at + "/delete", Submit: c.say("signin.remove"), Tone: "danger", Cancel: at, Hidden: []field{{Name: "patterns", Value: pattern}},
	}})}, nil
}

func deleteRule(c *call) (answer, error) {
	l, err := c.ruleList()
	if err != nil {
		return answer{}, err
	}
	_, err = c.d.cfg.SignIns.DeleteRules(c.ctx, c.app.ID, l, lines(c.form("patterns")))
	return answer{to: c.appPath("/signin/" + string(l) + "?done=rule_removed")}, err
}
