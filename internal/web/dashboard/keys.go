package dashboard

import (
	"slices"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
)

func keyRoutes() []route {
	return []route{
		{method: get, path: "/apps/{app}/keys", access: accessViewer, section: "keys", handle: listKeys},
		{method: get, path: "/apps/{app}/keys/new", access: accessDeveloper, section: "keys", handle: newKey},
		{method: post, path: "/apps/{app}/keys/new", access: accessDeveloper, section: "keys", action: "create_key", handle: createKey},
		{method: get, path: "/apps/{app}/keys/{id}/delete", access: accessDeveloper, section: "keys", handle: askDeleteKey},
		{method: post, path: "/apps/{app}/keys/{id}/delete", access: accessDeveloper, section: "keys", action: "delete_key", handle: deleteKey},
	}
}

func listKeys(c *call) (answer, error) {
	all, err := c.d.cfg.Applications.Keys(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("keys.title"), Lead: c.say("keys.lead")}
	if c.may(accessDeveloper) {
		p.Actions = []button{{Text: c.say("keys.new"), Href: c.appPath("/keys/new")}}
	}
	if len(all) == 0 {
		return answer{page: p.add(block{Empty: c.empty("keys", accessDeveloper, "/keys/new")})}, nil
	}
	t := &table{Caption: c.say("keys.title"), Cols: []string{c.say("col.name"), c.say("col.id"), c.say("keys.permissions"), c.say("col.created")}}
	if c.may(accessDeveloper) {
		t.Cols = append(t.Cols, "")
	}
	for _, k := range all {
		r := row{{Text: k.Name}, {Text: string(k.ID), Mono: true}, {Text: c.permissions(k)}, when(k.CreatedAt)}
		if k.Prepared {
			r[0].Sub = c.say("keys.prepared")
		}
		if c.may(accessDeveloper) {
			r = append(r, cell{Act: &button{Text: c.say("form.delete"), Href: c.appPath("/keys/" + string(k.ID) + "/delete"), Tone: "small", Label: c.say("keys.delete_title", "name", k.Name)}})
		}
		t.Rows = append(t.Rows, r)
	}
	return answer{page: p.add(block{Table: t})}, nil
}

func (c *call) permissions(k latchkey.APIKey) string {
	if len(k.Permissions) == len(latchkey.AllPermissions()) {
		return c.say("keys.everything")
	}
	var names []string
	for _, p := range k.Permissions {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

func (c *call) keyForm() (*page, *form) {
	var perms []option
	chosen := c.r.PostForm["permissions"]
	for _, p := range latchkey.AllPermissions() {
		perms = append(perms, option{string(p), c.say("permission." + string(p)), c.r.Method == get || slices.Contains(chosen, string(p))})
	}
	return &page{Title: c.say("keys.new"), Lead: c.say("keys.new_lead"), Crumb: &link{c.say("keys.title"), c.appPath("/keys")}},
		&form{Action: c.appPath("/keys/new"), Submit: c.say("keys.create"), Cancel: c.appPath("/keys"), Fields: []field{
			{Name: "name", Label: c.say("col.name"), Hint: c.say("keys.name_hint"), Required: true, Max: 100, Value: c.form("name")},
			{Name: "permissions", Type: "checks", Label: c.say("keys.permissions"), Options: perms},
		}}
}

func newKey(c *call) (answer, error) {
	p, f := c.keyForm()
	return answer{page: p.add(block{Form: f})}, nil
}

func createKey(c *call) (answer, error) {
	var perms []latchkey.Permission
	for _, p := range c.r.PostForm["permissions"] {
		perms = append(perms, latchkey.Permission(p))
	}
	if len(perms) == 0 {
		// The service would take none for all.
		p, f := c.keyForm()
		return c.again(p, f, errs.InvalidFields(errs.FieldError{Field: "permissions", Code: errs.CodeRequired, Message: c.say("keys.no_permission")}))
	}
	k, text, err := c.d.cfg.Applications.CreateKey(c.ctx, c.app.ID, c.form("name"), perms)
	if err != nil {
		p, f := c.keyForm()
		return c.again(p, f, err)
	}
	p := &page{Title: c.say("keys.created", "name", k.Name), Lead: c.say("once.lead"), Crumb: &link{c.say("keys.title"), c.appPath("/keys")}}
	return answer{page: p.add(block{Once: &once{Label: c.say("once.key"), Value: text.Reveal(), Hint: c.say("once.key_hint")}})}, nil
}

func askDeleteKey(c *call) (answer, error) {
	all, err := c.d.cfg.Applications.Keys(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	for _, k := range all {
		if string(k.ID) == c.id() {
			return c.ask(c.say("keys.delete_title", "name", k.Name), c.say("keys.delete_lead"), c.say("form.delete"), c.r.URL.Path, c.appPath("/keys"))
		}
	}
	return answer{}, errs.NotFoundf("key")
}

func deleteKey(c *call) (answer, error) {
	return answer{to: c.appPath("/keys?done=key_deleted")}, c.d.cfg.Applications.DeleteKey(c.ctx, c.app.ID, latchkey.KeyID(c.id()))
}
