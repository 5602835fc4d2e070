package dashboard

import (
	"slices"
	"strings"

	"latchkey"
	"latchkey/internal/signin"
)

func oidcRoutes() []route {
	return []route{
		{method: get, path: "/apps/{app}/oidc-clients", access: accessViewer, section: "settings", tab: "oidc", handle: listClients},
		{method: get, path: "/apps/{app}/oidc-clients/new", access: accessDeveloper, section: "settings", tab: "oidc", handle: newClient},
		{method: post, path: "/apps/{app}/oidc-clients/new", access: accessDeveloper, section: "settings", tab: "oidc", action: "create_oidc_client", handle: createClient},
		{method: get, path: "/apps/{app}/oidc-clients/{id}", access: accessViewer, section: "settings", tab: "oidc", handle: clientPage},
		{method: get, path: "/apps/{app}/oidc-clients/{id}/edit", access: accessDeveloper, section: "settings", tab: "oidc", handle: editClient},
		{method: post, path: "/apps/{app}/oidc-clients/{id}/edit", access: accessDeveloper, section: "settings", tab: "oidc", action: "update_oidc_client", handle: saveClient},
		{method: get, path: "/apps/{app}/oidc-clients/{id}/rotate-secret", access: accessDeveloper, section: "settings", tab: "oidc", handle: askRotateClient},
		{method: post, path: "/apps/{app}/oidc-clients/{id}/rotate-secret", access: accessDeveloper, section: "settings", tab: "oidc", action: "rotate_oidc_client_secret", handle: rotateClient},
		{method: get, path: "/apps/{app}/oidc-clients/{id}/delete", access: accessDeveloper, section: "settings", tab: "oidc", handle: askDeleteClient},
		{method: post, path: "/apps/{app}/oidc-clients/{id}/delete", access: accessDeveloper, section: "settings", tab: "oidc", action: "delete_oidc_client", handle: deleteClient},
		{method: get, path: "/apps/{app}/signing-keys/rotate", access: accessDeveloper, section: "settings", tab: "oidc", handle: askRotateKeys},
		{method: post, path: "/apps/{app}/signing-keys/rotate", access: accessDeveloper, section: "settings", tab: "oidc", action: "rotate_signing_keys", handle: rotateKeys},
	}
}

func clientName(x latchkey.OIDCClient) string {
	if x.Name != "" {
		return x.Name
	}
	return string(x.ID)
}

func (c *call) clientKind(x latchkey.OIDCClient) string {
	if x.Public {
		return c.say("oidc.public")
	}
	return c.say("oidc.confidential")
}

func listClients(c *call) (answer, error) {
	all, err := c.d.cfg.OpenID.Clients(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("oidc.title"), Lead: c.say("oidc.lead")}
	if c.may(accessDeveloper) {
		p.Actions = []button{{Text: c.say("oidc.new"), Href: c.appPath("/oidc-clients/new")}}
	}
	p.add(block{Facts: []fact{{c.say("signin.issuer"), cell{Text: c.d.cfg.OpenID.Issuer(c.app.ID), Mono: true, Sub: c.say("signin.issuer_hint")}}}})
	if len(all) == 0 {
		p.add(block{Empty: c.empty("oidc", accessDeveloper, "/oidc-clients/new")})
	} else {
		t := &table{Caption: c.say("oidc.title"), Cols: []string{c.say("col.name"), c.say("oidc.kind"), c.say("oidc.redirects"), c.say("col.created")}}
		for _, x := range slices.Backward(all) {
			t.Rows = append(t.Rows, row{{Text: clientName(x), Href: c.appPath("/oidc-clients/" + string(x.ID))}, {Text: c.clientKind(x)}, {Text: strings.Join(x.RedirectURIs, ", ")}, when(x.CreatedAt)})
		}
		p.add(block{Table: t})
	}
	return c.withKeys(p)
}

// withKeys adds the keys of the JWKS.
func (c *call) withKeys(p *page) (answer, error) {
	keys, err := c.d.cfg.OpenID.SigningKeys(c.ctx, c.app.ID)
	if err != nil || len(keys) == 0 {
		return answer{page: p}, err
	}
	t := &table{Caption: c.say("oidc.keys"), Cols: []string{c.say("oidc.kid"), c.say("oidc.alg"), c.say("oidc.active")}}
	for _, k := range keys {
		t.Rows = append(t.Rows, row{{Text: k.KeyID, Mono: true}, {Text: k.Algorithm}, when(k.ActiveAt)})
	}
	p.add(block{Heading: c.say("oidc.keys"), Text: c.say("oidc.keys_lead")}, block{Table: t})
	if c.may(accessDeveloper) {
		p.add(block{Buttons: []button{{Text: c.say("oidc.rotate_keys"), Href: c.appPath("/signing-keys/rotate"), Tone: "quiet"}}})
	}
	return answer{page: p}, nil
}

func (c *call) clientForm(x latchkey.OIDCClient) (*page, *form) {
	at := c.appPath("/oidc-clients")
	p := &page{Title: c.say("oidc.new"), Lead: c.say("oidc.new_lead"), Crumb: &link{c.say("oidc.title"), at}}
	f := &form{Action: at + "/new", Submit: c.say("oidc.create"), Cancel: at}
	if x.ID != "" {
		at += "/" + string(x.ID)
		p = &page{Title: c.say("oidc.edit", "name", clientName(x)), Crumb: &link{clientName(x), at}}
		f.Action, f.Cancel, f.Submit = at+"/edit", at, c.say("form.save")
	}
	f.Fields = []field{
		{Name: "name", Label: c.say("col.name"), Hint: c.say("oidc.name_hint"), Max: signin.MaxClientName, Value: x.Name},
		{Name: "redirect_uris", Label: c.say("oidc.redirects"), Hint: c.say("oidc.redirects_hint"), Type: "textarea", Required: true, Value: strings.Join(x.RedirectURIs, "\n")},
		{Name: "post_logout_redirect_uris", Label: c.say("oidc.logout"), Hint: c.say("oidc.logout_hint"), Type: "textarea", Value: strings.Join(x.PostLogoutURIs, "\n")},
		{Name: "id_token_signed_response_alg", Label: c.say("oidc.alg"), Hint: c.say("oidc.alg_hint"), Type: "select", Options: []option{
			{signin.AlgRS256, signin.AlgRS256, x.Algorithm != signin.AlgES256}, {signin.AlgES256, signin.AlgES256, x.Algorithm == signin.AlgES256},
		}},
	}
	if x.ID == "" {
		f.Fields = append(f.Fields, field{Name: "public", Type: "checkbox", Label: c.say("oidc.public_label"), Hint: c.say("oidc.public_hint"), Checked: x.Public})
	}
	return p, f
}

func (c *call) clientSpec() signin.ClientSpec {
	name, alg := c.form("name"), c.form("id_token_signed_response_alg")
	redirects, logout := lines(c.form("redirect_uris")), lines(c.form("post_logout_redirect_uris"))
	return signin.ClientSpec{Name: &name, Algorithm: &alg, RedirectURIs: &redirects, PostLogoutURIs: &logout}
}

// typedClient is the form as it was sent.
func (c *call) typedClient(x latchkey.OIDCClient) latchkey.OIDCClient {
	return latchkey.OIDCClient{
		ID: x.ID, Name: c.form("name"), Algorithm: c.form("id_token_signed_response_alg"), Public: c.form("public") == "true",
		RedirectURIs: lines(c.form("redirect_uris")), PostLogoutURIs: lines(c.form("post_logout_redirect_uris")),
	}
}

func newClient(c *call) (answer, error) {
	p, f := c.clientForm(latchkey.OIDCClient{})
	return answer{page: p.add(block{Form: f})}, nil
}

func createClient(c *call) (answer, error) {
	spec := c.clientSpec()
	public := c.form("public") == "true"
	spec.Public = &public
	made, err := c.d.cfg.OpenID.CreateClient(c.ctx, c.app.ID, spec)
	if err != nil {
		p, f := c.clientForm(c.typedClient(latchkey.OIDCClient{}))
		return c.again(p, f, err)
	}
	return c.shownClient(made, "oidc.created")
}

// shownClient is what an OpenID Connect library needs, with the secret this once.
func (c *call) shownClient(made signin.CreatedClient, title string) (answer, error) {
	at := c.appPath("/oidc-clients/" + string(made.Client.ID))
	p := &page{Title: c.say(title), Crumb: &link{clientName(made.Client), at}}
	p.add(block{Once: &once{Label: c.say("oidc.client_id"), Value: string(made.Client.ID)}})
	if !made.Secret.IsZero() {
		p.Lead = c.say("once.lead")
		p.add(block{Once: &once{Label: c.say("oidc.secret"), Value: made.Secret.Reveal(), Hint: c.say("oidc.secret_hint")}})
	}
	p.add(block{Once: &once{Label: c.say("signin.issuer"), Value: c.d.cfg.OpenID.Issuer(c.app.ID), Hint: c.say("signin.issuer_hint")}},
		block{Buttons: []button{{Text: c.say("oidc.go"), Href: at, Tone: "quiet"}}})
	return answer{page: p}, nil
}

func (c *call) client() (latchkey.OIDCClient, error) {
	return c.d.cfg.OpenID.Client(c.ctx, c.app.ID, latchkey.OIDCClientID(c.id()))
}

func clientPage(c *call) (answer, error) {
	x, err := c.client()
	if err != nil {
		return answer{}, err
	}
	at := c.appPath("/oidc-clients/" + string(x.ID))
	secret := cell{Text: c.say("form.secret_kept")}
	if x.Public {
		secret.Text = c.say("form.secret_none")
	}
	p := &page{Title: clientName(x), Crumb: &link{c.say("oidc.title"), c.appPath("/oidc-clients")}}
	p.add(block{Facts: []fact{
		{c.say("oidc.client_id"), cell{Text: string(x.ID), Mono: true}},
		{c.say("oidc.secret"), secret},
		{c.say("oidc.kind"), cell{Text: c.clientKind(x)}},
		{c.say("signin.issuer"), cell{Text: c.d.cfg.OpenID.Issuer(c.app.ID), Mono: true}},
		{c.say("oidc.redirects"), cell{Text: strings.Join(x.RedirectURIs, " "), Mono: true}},
		{c.say("oidc.logout"), cell{Text: or(strings.Join(x.PostLogoutURIs, " ")), Mono: len(x.PostLogoutURIs) > 0}},
		{c.say("oidc.alg"), cell{Text: x.Algorithm}},
		{c.say("col.created"), when(x.CreatedAt)},
	}})
	if c.may(accessDeveloper) {
		b := []button{{Text: c.say("form.edit"), Href: at + "/edit", Tone: "quiet"}}
		if !x.Public {
			b = append(b, button{Text: c.say("oidc.rotate"), Href: at + "/rotate-secret", Tone: "quiet"})
		}
		p.add(block{Buttons: append(b, button{Text: c.say("form.delete"), Href: at + "/delete", Tone: "danger"})})
	}
	return answer{page: p}, nil
}

func editClient(c *call) (answer, error) {
	x, err := c.client()
	if err != nil {
		return answer{}, err
	}
	p, f := c.clientForm(x)
	return answer{page: p.add(block{Form: f})}, nil
}

func saveClient(c *call) (answer, error) {
	x, err := c.client()
	if err != nil {
		return answer{}, err
	}
	if _, err := c.d.cfg.OpenID.UpdateClient(c.ctx, c.app.ID, x.ID, c.clientSpec()); err != nil {
		p, f := c.clientForm(c.typedClient(x))
		return c.again(p, f, err)
	}
	return answer{to: c.appPath("/oidc-clients/" + string(x.ID) + "?done=saved")}, nil
}

func askRotateClient(c *call) (answer, error) {
	x, err := c.client()
	if err != nil {
		return answer{}, err
	}
	return c.ask(c.say("oidc.rotate_title", "name", clientName(x)), c.say("oidc.rotate_lead"), c.say("oidc.rotate"), c.r.URL.Path, c.appPath("/oidc-clients/"+string(x.ID)))
}

func rotateClient(c *call) (answer, error) {
	made, err := c.d.cfg.OpenID.RotateClientSecret(c.ctx, c.app.ID, latchkey.OIDCClientID(c.id()))
	if err != nil {
		return answer{}, err
	}
	return c.shownClient(made, "oidc.rotated")
}

func askDeleteClient(c *call) (answer, error) {
	x, err := c.client()
	if err != nil {
		return answer{}, err
	}
	return c.ask(c.say("oidc.delete_title", "name", clientName(x)), c.say("oidc.delete_lead"), c.say("form.delete"), c.r.URL.Path, c.appPath("/oidc-clients/"+string(x.ID)))
}

func deleteClient(c *call) (answer, error) {
	return answer{to: c.appPath("/oidc-clients?done=deleted")}, c.d.cfg.OpenID.DeleteClient(c.ctx, c.app.ID, latchkey.OIDCClientID(c.id()))
}

func askRotateKeys(c *call) (answer, error) {
	p := &page{Title: c.say("oidc.rotate_keys_title"), Lead: c.say("oidc.rotate_keys_lead"), Crumb: &link{c.say("oidc.title"), c.appPath("/oidc-clients")}}
	return answer{page: p.add(block{Form: &form{Action: c.appPath("/signing-keys/rotate"), Submit: c.say("oidc.rotate_keys"), Tone: "danger", Cancel: c.appPath("/oidc-clients"), Fields: []field{
		{Name: "at_once", Type: "checkbox", Label: c.say("oidc.at_once"), Hint: c.say("oidc.at_once_hint")},
	}}})}, nil
}

func rotateKeys(c *call) (answer, error) {
	return answer{to: c.appPath("/oidc-clients?done=keys_rotated")}, c.d.cfg.OpenID.RotateKeys(c.ctx, c.app.ID, c.form("at_once") == "true")
}
