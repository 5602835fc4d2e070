package dashboard

import (
	"latchkey"
	"latchkey/internal/errs"
)

func meRoutes() []route {
	return []route{
		{method: get, path: "/me", access: accessSignedIn, handle: mePage},
		{method: post, path: "/me", access: accessSignedIn, action: "rename_operator", handle: renameMe},
		{method: post, path: "/me/passkeys", access: accessSignedIn, handle: beginRegister},
		{method: post, path: "/me/passkeys/finish", access: accessSignedIn, action: "add_passkey", handle: finishRegister},
		{method: get, path: "/me/passkeys/{id}/delete", access: accessSignedIn, handle: askDeletePasskey},
		{method: post, path: "/me/passkeys/{id}/delete", access: accessSignedIn, action: "delete_passkey", handle: deletePasskey},
		{method: post, path: "/me/logins/{id}/end", access: accessSignedIn, action: "end_login", handle: endLogin},
		{method: post, path: "/me/logins/end", access: accessSignedIn, action: "end_logins", handle: endLogins},
	}
}

func (c *call) me() (*page, *form) {
	return &page{Title: c.say("me.title"), Lead: c.say("me.lead", "email", c.operator.Email), Passkeys: c.d.cfg.Operators.HasPasskeys()},
		&form{Action: root + "/me", Submit: c.say("form.save"), Fields: []field{
			{Name: "name", Label: c.say("enter.name"), Hint: c.say("enter.name_hint"), Max: 100, Auto: "name", Value: c.operator.Name},
		}}
}

func mePage(c *call) (answer, error) {
	p, f := c.me()
	keys, err := c.d.cfg.Operators.Passkeys(c.ctx, c.operator.ID)
	if err != nil {
		return answer{}, err
	}
	logins, err := c.d.cfg.Operators.Logins(c.ctx, c.operator.ID)
	if err != nil {
		return answer{}, err
	}
	p.add(block{Heading: c.say("me.passkeys"), Text: c.say("me.passkeys_lead")})
	switch {
	case !p.Passkeys:
		p.add(block{Note: &note{Tone: "warn", Title: c.say("passkey.none_title"), Text: c.say("passkey.none")}})
	case len(keys) == 0:
		p.add(block{Note: &note{Tone: "warn", Title: c.say("me.no_passkey_title"), Text: c.say("me.no_passkey")}})
	}
	if len(keys) > 0 {
		t := &table{Caption: c.say("me.passkeys"), Cols: []string{c.say("col.name"), c.say("col.created"), c.say("col.used"), ""}}
		for _, k := range keys {
			t.Rows = append(t.Rows, row{{Text: k.Name}, when(k.CreatedAt), when(k.UsedAt), {Act: &button{
				Text: c.say("form.delete"), Href: root + "/me/passkeys/" + string(k.ID) + "/delete", Tone: "small", Label: c.say("me.delete_passkey", "name", k.Name),
			}}})
		}
		p.add(block{Table: t})
	}
	if p.Passkeys {
		p.add(block{Passkey: c.passkey("register", root+"/me/passkeys")})
	}
	t := &table{Caption: c.say("me.logins"), Cols: []string{c.say("col.browser"), c.say("col.address"), c.say("col.since"), c.say("col.used"), ""}}
	for _, l := range logins {
		r := row{{Text: shortAgent(l.UserAgent), Sub: c.say("method." + string(l.Method))}, {Text: l.Address}, when(l.CreatedAt), when(l.SeenAt), {Text: c.say("me.this_login")}}
		if l.ID != c.login.ID {
			r[4] = cell{Act: &button{Text: c.say("me.end_login"), Href: root + "/me/logins/" + string(l.ID) + "/end", Post: true, Tone: "small"}}
		}
		t.Rows = append(t.Rows, r)
	}
	p.add(block{Heading: c.say("me.logins"), Text: c.say("me.logins_lead")}, block{Table: t})
	p.add(block{Buttons: []button{{Text: c.say("me.end_logins"), Href: root + "/me/logins/end", Post: true, Tone: "quiet"}}})
	return answer{page: p.add(block{Heading: c.say("me.name")}, block{Form: f})}, nil
}

func renameMe(c *call) (answer, error) {
	if err := c.d.cfg.Operators.Rename(c.ctx, c.operator.ID, c.form("name")); err != nil {
		p, f := c.me()
		f.Fields[0].Value = c.form("name")
		return c.again(p, f, err)
	}
	return answer{to: root + "/me?done=saved"}, nil
}

func beginRegister(c *call) (answer, error) {
	q, err := c.d.cfg.Operators.BeginRegister(c.ctx, c.operator)
	return answer{json: passkeyAsked{q.Token.Reveal(), q.Options}}, err
}

func finishRegister(c *call) (answer, error) {
	a, err := c.readPasskey()
	if err != nil {
		return answer{}, err
	}
	_, err = c.d.cfg.Operators.Register(c.ctx, c.operator, a.Token, a.Name, a.Credential)
	return answer{json: passkeyDone{root + "/me?done=passkey_added"}}, err
}

// ask is the page before what cannot be undone.
func (c *call) ask(title, text, submit, action, back string) (answer, error) {
	p := &page{Title: title, Lead: text}
	return answer{page: p.add(block{Form: &form{Action: action, Submit: submit, Tone: "danger", Cancel: back}})}, nil
}

func askDeletePasskey(c *call) (answer, error) {
	keys, err := c.d.cfg.Operators.Passkeys(c.ctx, c.operator.ID)
	if err != nil {
		return answer{}, err
	}
	for _, k := range keys {
		if string(k.ID) == c.id() {
			return c.ask(c.say("me.delete_passkey", "name", k.Name), c.say("me.delete_passkey_lead"), c.say("form.delete"), c.r.URL.Path, root+"/me")
		}
	}
	return answer{}, errs.NotFoundf("passkey")
}

func deletePasskey(c *call) (answer, error) {
	return answer{to: root + "/me?done=deleted"}, c.d.cfg.Operators.DeletePasskey(c.ctx, c.operator.ID, latchkey.PasskeyID(c.id()))
}

func endLogin(c *call) (answer, error) {
	return answer{to: root + "/me?done=login_ended"}, c.d.cfg.Operators.EndLogin(c.ctx, c.operator.ID, latchkey.LoginID(c.id()))
}

// endLogins ends all, this one too: who fears that a cookie was stolen starts clean.
func endLogins(c *call) (answer, error) {
	c.d.setCookie(c.w, "")
	return answer{to: root + "/sign-in?done=signed_out"}, c.d.cfg.Operators.EndLogins(c.ctx, c.operator.ID)
}
