package dashboard

import (
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/providerapps"
)

func providerAppRoutes() []route {
	return []route{
		{method: get, path: "/apps/{app}/provider-apps", access: accessViewer, section: "provider_apps", handle: listProviderApps},
		{method: get, path: "/apps/{app}/provider-apps/new", access: accessDeveloper, section: "provider_apps", handle: newProviderApp},
		{method: post, path: "/apps/{app}/provider-apps/new", access: accessDeveloper, section: "provider_apps", action: "create_provider_app", handle: createProviderApp},
		{method: get, path: "/apps/{app}/provider-apps/{id}", access: accessViewer, section: "provider_apps", handle: providerAppPage},
		{method: post, path: "/apps/{app}/provider-apps/{id}/verify", access: accessDeveloper, section: "provider_apps", action: "verify_provider_app", handle: verifyProviderApp},
		{method: get, path: "/apps/{app}/provider-apps/{id}/delete", access: accessDeveloper, section: "provider_apps", handle: askDeleteProviderApp},
		{method: post, path: "/apps/{app}/provider-apps/{id}/delete", access: accessDeveloper, section: "provider_apps", action: "delete_provider_app", handle: deleteProviderApp},
	}
}

func (c *call) flagState(a latchkey.ProviderApp) cell {
	if a.Flag != "" {
		return cell{Text: c.say("provider_apps.broken"), Badge: "bad", Sub: c.codeSaid(a.Flag)}
	}
	return cell{Text: c.say("provider_apps.fine"), Badge: "good"}
}

func listProviderApps(c *call) (answer, error) {
	all, err := c.d.cfg.ProviderApps.List(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("provider_apps.title"), Lead: c.say("provider_apps.lead")}
	if c.may(accessDeveloper) {
		p.Actions = []button{{Text: c.say("provider_apps.new"), Href: c.appPath("/provider-apps/new")}}
	}
	if len(all) == 0 {
		return answer{page: p.add(block{Empty: c.empty("provider_apps", accessDeveloper, "/provider-apps/new")})}, nil
	}
	t := &table{Caption: c.say("provider_apps.title"), Cols: []string{c.say("col.name"), c.say("col.provider"), c.say("provider_apps.client_id"), c.say("col.status"), c.say("col.created")}}
	for _, a := range all {
		name := cell{Text: a.Name, Href: c.appPath("/provider-apps/" + string(a.ID))}
		if a.Default {
			name.Sub = c.say("provider_apps.default")
		}
		t.Rows = append(t.Rows, row{name, {Text: c.say("provider." + string(a.Provider))}, {Text: or(a.ClientID), Mono: true}, c.flagState(a), when(a.CreatedAt)})
	}
	return answer{page: p.add(block{Table: t})}, nil
}

func (c *call) providerAppForm() (*page, *form) {
	var providers []option
	for _, p := range providerapps.Providers() {
		providers = append(providers, option{string(p), c.say("provider." + string(p)), c.form("provider") == string(p)})
	}
	p := &page{Title: c.say("provider_apps.new"), Lead: c.say("provider_apps.new_lead"), Crumb: &link{c.say("provider_apps.title"), c.appPath("/provider-apps")}}
	p.add(block{Facts: []fact{{c.say("provider_apps.redirect"), cell{Text: c.d.base + "/oauth/callback", Mono: true, Sub: c.say("provider_apps.redirect_hint")}}}})
	return p, &form{Action: c.appPath("/provider-apps/new"), Submit: c.say("provider_apps.create"), Cancel: c.appPath("/provider-apps"), Fields: []field{
		{Name: "provider", Label: c.say("col.provider"), Type: "select", Options: providers},
		{Name: "name", Label: c.say("col.name"), Hint: c.say("provider_apps.name_hint"), Max: providerapps.MaxName, Value: c.form("name")},
		{Name: "client_id", Label: c.say("provider_apps.client_id"), Max: providerapps.MaxClientID, Required: true, Value: c.form("client_id")},
		{Name: "client_secret", Label: c.say("provider_apps.client_secret"), Hint: c.say("form.secret_hint"), Type: "password", Max: providerapps.MaxSecret},
		{Name: "tenant", Label: c.say("provider_apps.tenant"), Hint: c.say("provider_apps.tenant_hint"), Max: 253, Value: c.form("tenant")},
		{Name: "extra_scopes", Label: c.say("provider_apps.extra_scopes"), Hint: c.say("provider_apps.extra_hint"), Value: c.form("extra_scopes")},
		{Name: "default", Type: "checkbox", Label: c.say("provider_apps.default_label"), Checked: c.form("default") == "true"},
	}}
}

func newProviderApp(c *call) (answer, error) {
	p, f := c.providerAppForm()
	return answer{page: p.add(block{Form: f})}, nil
}

func createProviderApp(c *call) (answer, error) {
	optional := func(name string) *string {
		if s := c.form(name); s != "" {
			return &s
		}
		return nil
	}
	spec := providerapps.Spec{
		Provider: optional("provider"), Name: optional("name"), ClientID: optional("client_id"), ClientSecret: optional("client_secret"), Tenant: optional("tenant"),
	}
	if s := strings.Fields(c.form("extra_scopes")); len(s) > 0 {
		spec.ExtraScopes = &s
	}
	if c.form("default") == "true" {
		yes := true
		spec.Default = &yes
	}
	_, problems := providerapps.Apply(latchkey.ProviderApp{}, spec)
	var err error
	var made latchkey.ProviderApp
	if len(problems) > 0 {
		err = errs.InvalidFields(problems...)
	} else {
		made, err = c.d.cfg.ProviderApps.Create(c.ctx, c.app.ID, spec)
	}
	if err != nil {
		p, f := c.providerAppForm()
		return c.again(p, f, err)
	}
	return answer{to: c.appPath("/provider-apps/" + string(made.ID) + "?done=provider_app_created")}, nil
}

func (c *call) providerApp() (latchkey.ProviderApp, *page, error) {
	a, err := c.d.cfg.ProviderApps.Get(c.ctx, c.app.ID, latchkey.ProviderAppID(c.id()))
	if err != nil {
		return a, nil, err
	}
	p := &page{Title: a.Name, Crumb: &link{c.say("provider_apps.title"), c.appPath("/provider-apps")}}
	facts := []fact{
		{c.say("col.status"), c.flagState(a)},
		{c.say("col.provider"), cell{Text: c.say("provider." + string(a.Provider))}},
		{c.say("col.id"), cell{Text: string(a.ID), Mono: true}},
		{c.say("provider_apps.client_id"), cell{Text: or(a.ClientID), Mono: true}},
		{c.say("provider_apps.client_secret"), cell{Text: c.say("form.secret_kept")}},
		{c.say("provider_apps.redirect"), cell{Text: c.d.base + "/oauth/callback", Mono: true}},
	}
	if a.Tenant != "" {
		facts = append(facts, fact{c.say("provider_apps.tenant"), cell{Text: a.Tenant}})
	}
	if a.Declared != "" {
		facts = append(facts, fact{c.say("provider_apps.declared"), cell{Text: a.Declared, Sub: c.say("provider_apps.declared_hint")}})
	}
	p.add(block{Facts: facts})
	if c.may(accessDeveloper) {
		at := c.appPath("/provider-apps/" + string(a.ID))
		p.add(block{Buttons: []button{
			{Text: c.say("provider_apps.verify"), Href: at + "/verify", Post: true}, {Text: c.say("form.delete"), Href: at + "/delete", Tone: "danger"},
		}})
	}
	return a, p, nil
}

func providerAppPage(c *call) (answer, error) {
	_, p, err := c.providerApp()
	return answer{page: p}, err
}

func verifyProviderApp(c *call) (answer, error) {
	v, err := c.d.cfg.ProviderApps.Verify(c.ctx, c.app.ID, latchkey.ProviderAppID(c.id()))
	if err != nil {
		return answer{}, err
	}
	_, p, err := c.providerApp()
	if err != nil {
		return answer{}, err
	}
	t := &table{Caption: c.say("provider_apps.findings"), Cols: []string{c.say("col.status"), c.say("col.what"), c.say("col.code")}}
	for _, f := range v.Findings {
		st := cell{Text: c.say("provider_apps.wrong"), Badge: "bad"}
		if f.OK {
			st = cell{Text: c.say("provider_apps.right"), Badge: "good"}
		}
		t.Rows = append(t.Rows, row{st, {Text: f.Detail}, {Text: f.Code, Mono: true}})
	}
	return answer{page: p.add(block{Heading: c.say("provider_apps.findings")}, block{Table: t})}, nil
}

func askDeleteProviderApp(c *call) (answer, error) {
	a, _, err := c.providerApp()
	if err != nil {
		return answer{}, err
	}
	return c.ask(c.say("provider_apps.delete_title", "name", a.Name), c.say("provider_apps.delete_lead"), c.say("form.delete"), c.r.URL.Path, c.appPath("/provider-apps/"+string(a.ID)))
}

func deleteProviderApp(c *call) (answer, error) {
	return answer{to: c.appPath("/provider-apps?done=deleted")}, c.d.cfg.ProviderApps.Delete(c.ctx, c.app.ID, latchkey.ProviderAppID(c.id()))
}
