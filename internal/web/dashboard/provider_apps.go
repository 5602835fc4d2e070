package dashboard

import (
	"slices"
	"strings"

	"latchkey"
)

func providerAppRoutes() []route {
	return []route{
		{method: get, path: "/apps/{app}/provider-apps", access: accessViewer, section: "provider_apps", handle: listProviderApps},
		{method: get, path: "/apps/{app}/provider-apps/new", access: accessDeveloper, section: "provider_apps", handle: newProviderApp},
		{method: post, path: "/apps/{app}/provider-apps/new", access: accessDeveloper, section: "provider_apps", action: "create_provider_app", handle: createProviderApp},
		{method: get, path: "/apps/{app}/provider-apps/{id}", access: accessViewer, section: "provider_apps", handle: providerAppPage},
		{method: get, path: "/apps/{app}/provider-apps/{id}/edit", access: accessDeveloper, section: "provider_apps", handle: editProviderApp},
		{method: post, path: "/apps/{app}/provider-apps/{id}/edit", access: accessDeveloper, section: "provider_apps", action: "update_provider_app", handle: saveProviderApp},
		{method: post, path: "/apps/{app}/provider-apps/{id}/default", access: accessDeveloper, section: "provider_apps", action: "update_provider_app", handle: makeDefault},
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
		{c.say("provider_apps.client_secret"), c.kept(a.ClientSecret)},
		{c.say("provider_apps.redirect"), cell{Text: c.d.base + "/oauth/callback", Mono: true}},
	}
	if a.Provider == latchkey.Google {
		facts = append(facts, fact{c.say("provider_apps.service_account"), c.kept(a.ServiceAccount)})
	}
	for _, x := range []struct{ key, value string }{
		{"tenant", a.Tenant},
		{"cloud", a.Cloud},
		{"domain", a.Domain},
		{"protocol", c.d.sayOr("protocol."+a.Protocol, a.Protocol)},
		{"extra_scopes", strings.Join(a.ExtraScopes, " ")},
		{"skip_scopes", strings.Join(a.SkipScopes, " ")},
	} {
		if x.value != "" {
			facts = append(facts, fact{c.d.say("provider_apps." + x.key), cell{Text: x.value}})
		}
	}
	if a.Declared != "" {
		facts = append(facts, fact{c.say("provider_apps.declared"), cell{Text: a.Declared, Sub: c.say("provider_apps.declared_hint")}})
	}
	state := cell{Text: c.say("provider_apps.not_default")}
	if a.Default {
		state.Text = c.say("provider_apps.is_default")
	}
	p.add(block{Facts: slices.Insert(facts, 2, fact{c.say("provider_apps.default"), state})})
	if c.may(accessDeveloper) {
		p.add(block{Buttons: c.providerAppButtons(a)})
	}
	return a, p, nil
}

// kept says whether there is a secret, and nothing more of it.
func (c *call) kept(secret string) cell {
	if secret == "" {
		return cell{Text: c.say("form.secret_none")}
	}
	return cell{Text: c.say("form.secret_kept")}
}

func (c *call) providerAppButtons(a latchkey.ProviderApp) []button {
	at := c.appPath("/provider-apps/" + string(a.ID))
	out := []button{{Text: c.say("provider_apps.verify"), Href: at + "/verify", Post: true}}
	if a.Declared != "" {
		return out // it is changed where it was declared
	}
	out = append(out, button{Text: c.say("form.edit"), Href: at + "/edit", Tone: "quiet"})
	if !a.Default {
		out = append(out, button{Text: c.say("provider_apps.make_default"), Href: at + "/default", Post: true, Tone: "quiet"})
	}
	return append(out, button{Text: c.say("form.delete"), Href: at + "/delete", Tone: "danger"})
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
