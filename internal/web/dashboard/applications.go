package dashboard

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/errs"
)

func applicationRoutes() []route {
	return []route{
		{method: get, path: "", access: accessSignedIn, handle: home},
		{method: get, path: "/apps", access: accessSignedIn, handle: listApplications},
		{method: get, path: "/apps/new", access: accessInstallation, handle: newApplication},
		{method: post, path: "/apps/new", access: accessInstallation, action: "create_application", handle: createApplication},
		{method: get, path: "/apps/{app}", access: accessViewer, section: "overview", handle: overview},
		{method: get, path: "/apps/{app}/settings", access: accessViewer, section: "settings", tab: "general", handle: settingsPage},
		{method: post, path: "/apps/{app}/settings", access: accessOwner, section: "settings", tab: "general", action: "change_application", handle: saveSettings},
		{method: get, path: "/apps/{app}/settings/rotate-webhook-secret", access: accessOwner, section: "settings", tab: "general", handle: askRotateApplication},
		{method: post, path: "/apps/{app}/settings/rotate-webhook-secret", access: accessOwner, section: "settings", tab: "general", action: "rotate_application_secret", handle: rotateApplication},
	}
}

// visible are the applications in which the operator has a role.
func (c *call) visible() ([]latchkey.Application, error) {
	all, err := c.d.cfg.Applications.List(c.ctx)
	var out []latchkey.Application
	for _, a := range all {
		if c.roles.In(a.ID) != "" {
			out = append(out, a)
		}
	}
	return out, err
}

// home goes to the only application there is, or lets choose.
func home(c *call) (answer, error) {
	apps, err := c.visible()
	if err != nil {
		return answer{}, err
	}
	if len(apps) == 1 {
		return answer{to: root + "/apps/" + string(apps[0].ID)}, nil
	}
	return answer{to: root + "/apps"}, nil
}

func listApplications(c *call) (answer, error) {
	apps, err := c.visible()
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("apps.title"), Lead: c.say("apps.lead")}
	if c.roles.Installation() {
		p.Actions = []button{{Text: c.say("apps.new"), Href: root + "/apps/new"}}
	}
	if len(apps) == 0 {
		return answer{page: p.add(block{Empty: &empty{Title: c.say("apps.empty_title"), Text: c.say("apps.empty")}})}, nil
	}
	t := &table{Caption: c.say("apps.title"), Cols: []string{c.say("col.name"), c.say("col.id"), c.say("col.your_role"), c.say("col.created")}}
	for _, a := range apps {
		name := cell{Text: a.Name, Href: root + "/apps/" + string(a.ID)}
		if a.Test {
			name.Sub = c.say("apps.test")
		}
		t.Rows = append(t.Rows, row{name, {Text: string(a.ID), Mono: true}, {Text: c.say("role." + string(c.roles.In(a.ID)))}, when(a.CreatedAt)})
	}
	return answer{page: p.add(block{Table: t})}, nil
}

func (c *call) applicationForm() (*page, *form) {
	return &page{Title: c.say("apps.new"), Lead: c.say("apps.new_lead"), Crumb: &link{c.say("apps.title"), root + "/apps"}},
		&form{Action: root + "/apps/new", Submit: c.say("apps.create"), Cancel: root + "/apps", Fields: []field{
			{Name: "name", Label: c.say("col.name"), Hint: c.say("apps.name_hint"), Required: true, Max: 100, Value: c.form("name")},
			{Name: "test", Type: "checkbox", Label: c.say("apps.test_label"), Hint: c.say("apps.test_hint"), Checked: c.form("test") == "true"},
		}}
}

func newApplication(c *call) (answer, error) {
	p, f := c.applicationForm()
	return answer{page: p.add(block{Form: f})}, nil
}

func createApplication(c *call) (answer, error) {
	made, err := c.d.cfg.Applications.Create(c.ctx, applications.Spec{Name: c.form("name"), Test: c.form("test") == "true"})
	if err != nil {
		p, f := c.applicationForm()
		return c.again(p, f, err)
	}
	p := &page{Title: c.say("apps.created", "name", made.Application.Name), Lead: c.say("once.lead")}
	p.add(
		block{Once: &once{Label: c.say("once.key"), Value: made.Key.Reveal(), Hint: c.say("once.key_hint")}},
		block{Once: &once{Label: c.say("once.webhook_secret"), Value: made.Application.WebhookSecret, Hint: c.say("once.notify_hint")}},
		block{Buttons: []button{{Text: c.say("apps.go"), Href: root + "/apps/" + string(made.Application.ID)}}},
	)
	return answer{page: p}, nil
}

// The settings about mails to end users, as the API calls them.
const (
	reconnectEnabled = "reconnect_email.enabled"
	reconnectAfter   = "reconnect_email.after_minutes"
)

func (c *call) settings() (*page, *form) {
	hint := "settings.reconnect_email_hint"
	if email, _ := c.d.cfg.Mails.Default(); email == "" && c.app.Sender == "" {
		hint = "settings.reconnect_email_no_sender"
	}
	return &page{Title: c.say("settings.title")}, &form{Action: c.appPath("/settings"), Submit: c.say("form.save"), Fields: []field{
		{Name: "name", Label: c.say("col.name"), Hint: c.say("apps.name_hint"), Required: true, Max: 100, Value: c.app.Name},
		{Name: "providers", Type: "checks", Label: c.say("links.providers"), Hint: c.say("settings.providers_hint"), Options: c.providerChoices(c.app.Providers)},
		{Name: "auth_server_url", Label: c.say("settings.auth_server"), Hint: c.say("settings.auth_server_hint"), Type: "url", Max: 2048, Value: c.app.AuthServerURL},
		{Name: reconnectEnabled, Type: "checkbox", Label: c.say("settings.reconnect_email"), Hint: c.say(hint), Checked: c.app.ReconnectEmail.Enabled},
		{Name: reconnectAfter, Label: c.say("settings.reconnect_after"), Hint: c.say("settings.reconnect_after_hint"), Max: len("10080"), Value: afterMinutes(c.app.ReconnectEmail)},
	}}
}

// afterMinutes is the pause that an application has; the usual one where it never chose any.
func afterMinutes(r latchkey.ReconnectEmail) string {
	if !r.Enabled && r.After == 0 {
		r.After = applications.DefaultReconnectAfter
	}
	return strconv.Itoa(int(r.After / time.Minute))
}

// reconnectEmail reads the setting; nil where the form does not have it.
func (c *call) reconnectEmail() *latchkey.ReconnectEmail {
	if !c.r.PostForm.Has(reconnectAfter) {
		return nil
	}
	r := latchkey.ReconnectEmail{Enabled: c.form(reconnectEnabled) == "true", After: applications.DefaultReconnectAfter}
	if s := c.form(reconnectAfter); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || time.Duration(n) > applications.MaxReconnectAfter/time.Minute {
			n = -1 // is out of the range
		}
		r.After = time.Duration(n) * time.Minute
	}
	return &r
}

// providerChoices are the providers that an application may have.
func (c *call) providerChoices(chosen []latchkey.Provider) []option {
	var out []option
	for _, p := range latchkey.Providers() {
		if p != latchkey.Mock || c.app.Test {
			out = append(out, option{string(p), c.say("provider." + string(p)), slices.Contains(chosen, p)})
		}
	}
	return out
}

// offered are the providers of the application in words.
func (c *call) offered() string {
	var names []string
	for _, p := range c.app.Providers {
		names = append(names, c.say("provider."+string(p)))
	}
	if len(names) == 0 {
		return c.say("settings.all_providers")
	}
	return strings.Join(names, ", ")
}

func settingsPage(c *call) (answer, error) {
	p, f := c.settings()
	kind := c.say("settings.live")
	if c.app.Test {
		kind = c.say("settings.test")
	}
	p.add(block{Facts: []fact{
		{c.say("col.id"), cell{Text: string(c.app.ID), Mono: true}},
		{c.say("settings.kind"), cell{Text: kind}},
		{c.say("col.created"), when(c.app.CreatedAt)},
		{c.say("col.your_role"), cell{Text: c.say("role." + string(c.role))}},
	}})
	if c.may(accessOwner) {
		p.add(block{Form: f}, block{Heading: c.say("settings.secret")}, block{Text: c.say("settings.secret_hint")},
			block{Buttons: []button{{Text: c.say("webhooks.rotate"), Href: c.appPath("/settings/rotate-webhook-secret"), Tone: "quiet"}}})
		return answer{page: p}, nil
	}
	auth := c.app.AuthServerURL
	if auth == "" {
		auth = "–"
	}
	mails := c.say("settings.reconnect_off")
	if c.app.ReconnectEmail.Enabled {
		mails = c.d.plural("settings.reconnect_on", int64(c.app.ReconnectEmail.After/time.Minute))
	}
	p.add(block{Facts: []fact{
		{c.say("col.name"), cell{Text: c.app.Name}},
		{c.say("links.providers"), cell{Text: c.offered()}},
		{c.say("settings.auth_server"), cell{Text: auth}},
		{c.say("settings.reconnect_email"), cell{Text: mails}},
	}})
	return answer{page: p.add(block{Text: c.say("forbidden.owner")})}, nil
}

func askRotateApplication(c *call) (answer, error) {
	return c.ask(c.say("settings.rotate_title"), c.say("settings.rotate_lead"), c.say("webhooks.rotate"), c.r.URL.Path, c.appPath("/settings"))
}

func rotateApplication(c *call) (answer, error) {
	app, err := c.d.cfg.Webhooks.RotateApplicationSecret(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("settings.rotated"), Lead: c.say("once.lead"), Crumb: &link{c.say("settings.title"), c.appPath("/settings")}}
	return answer{page: p.add(block{Once: &once{Label: c.say("once.webhook_secret"), Value: app.WebhookSecret, Hint: c.say("settings.secret_hint")}},
		block{Buttons: []button{{Text: c.say("settings.go"), Href: c.appPath("/settings"), Tone: "quiet"}}})}, nil
}

func saveSettings(c *call) (answer, error) {
	var want applications.Settings
	if name := c.form("name"); name != c.app.Name {
		want.Name = &name
	}
	u := c.form("auth_server_url")
	want.AuthServerURL, want.Providers = &u, &[]latchkey.Provider{}
	for _, s := range c.r.PostForm["providers"] {
		*want.Providers = append(*want.Providers, latchkey.Provider(s))
	}
	want.ReconnectEmail = c.reconnectEmail()
	_, err := c.d.cfg.Applications.Change(c.ctx, c.app.ID, want)
	if err != nil {
		p, f := c.settings()
		f.Fields[0].Value, f.Fields[1].Options, f.Fields[2].Value = c.form("name"), c.providerChoices(*want.Providers), u
		if r := want.ReconnectEmail; r != nil {
			f.Fields[3].Checked, f.Fields[4].Value = r.Enabled, c.form(reconnectAfter)
		}
		if e, ok := errors.AsType[*errs.Error](err); ok && e.Code == errs.CodeConflict && len(e.Fields) == 0 {
			e.Fields = []errs.FieldError{{Field: "name", Code: e.Code, Message: e.Detail}}
		}
		return c.again(p, f, err)
	}
	return answer{to: c.appPath("/settings?done=saved")}, nil
}
