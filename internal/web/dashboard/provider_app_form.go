package dashboard

import (
	"slices"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/providerapps"
)

// fieldsFor are the fields of a provider app that a provider knows; a new one's provider is still open.
func fieldsFor(p latchkey.Provider) []string {
	switch p {
	case latchkey.Google:
		return []string{"client_id", "client_secret", "service_account", "domain", "protocol", "extra_scopes", "skip_scopes"}
	case latchkey.Microsoft:
		return []string{"client_id", "client_secret", "tenant", "cloud", "protocol", "extra_scopes", "skip_scopes"}
	case latchkey.Telegram:
		return []string{"client_id", "client_secret"}
	case "":
		return []string{"client_id", "client_secret", "service_account", "tenant", "cloud", "domain", "protocol", "extra_scopes", "skip_scopes"}
	}
	return []string{"client_id", "client_secret", "extra_scopes", "skip_scopes"}
}

// choose makes the options of a select; the first is for what is left to the default.
func (c *call) choose(prefix, chosen string, values ...string) []option {
	out := make([]option, 0, len(values))
	for _, v := range values {
		key := v
		if v == "" {
			key = "any"
		}
		out = append(out, option{v, c.d.say(prefix + key), v == chosen})
	}
	return out
}

// providerAppForm is for a new provider app, and for one that is there. Secrets are never filled in.
func (c *call) providerAppForm(a latchkey.ProviderApp) (*page, *form) {
	at := c.appPath("/provider-apps")
	p := &page{Title: c.say("provider_apps.new"), Lead: c.say("provider_apps.new_lead"), Crumb: &link{c.say("provider_apps.title"), at}}
	f := &form{Action: at + "/new", Submit: c.say("provider_apps.create"), Cancel: at}
	secretHint := c.say("form.secret_hint")
	if a.ID != "" {
		at += "/" + string(a.ID)
		p = &page{Title: c.say("provider_apps.edit", "name", a.Name), Lead: c.say("provider_apps.edit_lead"), Crumb: &link{a.Name, at}}
		f.Action, f.Cancel, f.Submit, secretHint = at+"/edit", at, c.say("form.save"), c.say("form.secret_stays")
	} else {
		var providers []option
		for _, x := range providerapps.Providers() {
			providers = append(providers, option{string(x), c.say("provider." + string(x)), a.Provider == x})
		}
		f.Fields = append(f.Fields, field{Name: "provider", Label: c.say("col.provider"), Type: "select", Options: providers})
	}
	p.add(block{Facts: []fact{{c.say("provider_apps.redirect"), cell{Text: c.d.base + "/oauth/callback", Mono: true, Sub: c.say("provider_apps.redirect_hint")}}}})
	f.Fields = append(f.Fields, field{Name: "name", Label: c.say("col.name"), Hint: c.say("provider_apps.name_hint"), Max: providerapps.MaxName, Value: a.Name})
	shape := map[string]field{
		"client_id":       {Label: c.say("provider_apps.client_id"), Max: providerapps.MaxClientID, Value: a.ClientID},
		"client_secret":   {Label: c.say("provider_apps.client_secret"), Hint: secretHint, Type: "password", Max: providerapps.MaxSecret},
		"service_account": {Label: c.say("provider_apps.service_account"), Hint: c.say("provider_apps.service_account_hint") + " " + secretHint, Type: "textarea"},
		"tenant":          {Label: c.say("provider_apps.tenant"), Hint: c.say("provider_apps.tenant_hint"), Max: 253, Value: a.Tenant},
		"cloud":           {Label: c.say("provider_apps.cloud"), Hint: c.say("provider_apps.cloud_hint"), Type: "select", Options: c.choose("cloud.", a.Cloud, "", "global", "gcc_high", "dod", "china")},
		"domain":          {Label: c.say("provider_apps.domain"), Hint: c.say("provider_apps.domain_hint"), Max: 253, Value: a.Domain},
		"protocol":        {Label: c.say("provider_apps.protocol"), Type: "select", Options: c.choose("protocol.", a.Protocol, "", "imap", "api")},
		"extra_scopes":    {Label: c.say("provider_apps.extra_scopes"), Hint: c.say("provider_apps.extra_hint"), Value: strings.Join(a.ExtraScopes, " ")},
		"skip_scopes":     {Label: c.say("provider_apps.skip_scopes"), Hint: c.say("provider_apps.skip_hint"), Value: strings.Join(a.SkipScopes, " ")},
	}
	known := fieldsFor("")
	if a.ID != "" {
		known = fieldsFor(a.Provider)
	}
	for _, name := range known {
		x := shape[name]
		x.Name = name
		f.Fields = append(f.Fields, x)
	}
	if a.ID == "" {
		f.Fields = append(f.Fields, field{Name: "default", Type: "checkbox", Label: c.say("provider_apps.default_label"), Checked: a.Default})
	}
	return p, f
}

// providerAppSpec reads the form. Secrets that are left empty stay as they are.
func (c *call) providerAppSpec(was latchkey.ProviderApp) providerapps.Spec {
	given := func(name string) *string {
		if _, ok := c.r.PostForm[name]; !ok {
			return nil
		}
		s := c.form(name)
		return &s
	}
	filled := func(name string) *string {
		if s := c.form(name); s != "" {
			return &s
		}
		return nil
	}
	words := func(name string) *[]string {
		if _, ok := c.r.PostForm[name]; !ok {
			return nil
		}
		s := strings.Fields(c.form(name))
		return &s
	}
	spec := providerapps.Spec{
		Name: given("name"), ClientID: given("client_id"), ClientSecret: filled("client_secret"), ServiceAccount: filled("service_account"),
		Tenant: given("tenant"), Cloud: given("cloud"), Domain: given("domain"), Protocol: given("protocol"),
		ExtraScopes: words("extra_scopes"), SkipScopes: words("skip_scopes"),
	}
	if was.ID == "" {
		spec.Provider = filled("provider")
	}
	if c.form("default") == "true" {
		yes := true
		spec.Default = &yes
	}
	return spec
}

// typedApp is the form as it was sent, but for its secrets.
func (c *call) typedApp(was latchkey.ProviderApp) latchkey.ProviderApp {
	a := latchkey.ProviderApp{
		ID: was.ID, Provider: was.Provider, Name: c.form("name"), ClientID: c.form("client_id"), Tenant: c.form("tenant"), Cloud: c.form("cloud"), Domain: c.form("domain"),
		Protocol: c.form("protocol"), ExtraScopes: strings.Fields(c.form("extra_scopes")), SkipScopes: strings.Fields(c.form("skip_scopes")), Default: c.form("default") == "true",
	}
	if p, ok := latchkey.ParseProvider(c.form("provider")); ok && was.ID == "" && slices.Contains(providerapps.Providers(), p) {
		a.Provider = p
	}
	return a
}

func newProviderApp(c *call) (answer, error) {
	p, f := c.providerAppForm(latchkey.ProviderApp{})
	return answer{page: p.add(block{Form: f})}, nil
}

func createProviderApp(c *call) (answer, error) {
	spec := c.providerAppSpec(latchkey.ProviderApp{})
	_, problems := providerapps.Apply(latchkey.ProviderApp{}, spec)
	var err error
	var made latchkey.ProviderApp
	if len(problems) > 0 {
		err = errs.InvalidFields(problems...)
	} else {
		made, err = c.d.cfg.ProviderApps.Create(c.ctx, c.app.ID, spec)
	}
	if err != nil {
		p, f := c.providerAppForm(c.typedApp(latchkey.ProviderApp{}))
		return c.again(p, f, err)
	}
	return answer{to: c.appPath("/provider-apps/" + string(made.ID) + "?done=provider_app_created")}, nil
}

func editProviderApp(c *call) (answer, error) {
	a, _, err := c.providerApp()
	if err != nil {
		return answer{}, err
	}
	p, f := c.providerAppForm(a)
	return answer{page: p.add(block{Form: f})}, nil
}

func saveProviderApp(c *call) (answer, error) {
	a, _, err := c.providerApp()
	if err != nil {
		return answer{}, err
	}
	if _, err = c.d.cfg.ProviderApps.Update(c.ctx, c.app.ID, a.ID, c.providerAppSpec(a)); err != nil {
		typed := c.typedApp(a)
		p, f := c.providerAppForm(typed)
		return c.again(p, f, err)
	}
	return answer{to: c.appPath("/provider-apps/" + string(a.ID) + "?done=provider_app_saved")}, nil
}

func makeDefault(c *call) (answer, error) {
	yes := true
	_, err := c.d.cfg.ProviderApps.Update(c.ctx, c.app.ID, latchkey.ProviderAppID(c.id()), providerapps.Spec{Default: &yes})
	return answer{to: c.appPath("/provider-apps/" + c.id() + "?done=saved")}, err
}
