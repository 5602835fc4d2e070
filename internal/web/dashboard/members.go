package dashboard

import (
	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/operators"
)

func memberRoutes() []route {
	return []route{
		{method: get, path: "/apps/{app}/members", access: accessViewer, section: "members", handle: listMembers},
		{method: get, path: "/apps/{app}/members/new", access: accessOwner, section: "members", handle: newMember},
		{method: post, path: "/apps/{app}/members/new", access: accessOwner, section: "members", action: "invite_member", handle: inviteMember},
		{method: post, path: "/apps/{app}/members/{id}/role", access: accessOwner, section: "members", action: "change_role", handle: changeRole},
		{method: get, path: "/apps/{app}/members/{id}/remove", access: accessOwner, section: "members", handle: askRemoveMember},
		{method: post, path: "/apps/{app}/members/{id}/remove", access: accessOwner, section: "members", action: "remove_member", handle: removeMember},
	}
}

func (c *call) roleOptions(now latchkey.Role) []option {
	var out []option
	for _, r := range []latchkey.Role{latchkey.RoleViewer, latchkey.RoleDeveloper, latchkey.RoleOwner} {
		out = append(out, option{string(r), c.say("role." + string(r)), r == now})
	}
	return out
}

func listMembers(c *call) (answer, error) {
	all, err := c.d.cfg.Operators.Members(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("members.title"), Lead: c.say("members.lead")}
	owner := c.may(accessOwner)
	if owner {
		p.Actions = []button{{Text: c.say("members.new"), Href: c.appPath("/members/new")}}
	}
	t := &table{Caption: c.say("members.title"), Cols: []string{c.say("col.name"), c.say("col.email"), c.say("col.role"), c.say("col.status")}}
	if owner {
		t.Cols = append(t.Cols, "")
	}
	for _, m := range all {
		st := cell{Text: c.say("members.in"), Badge: "good"}
		if m.Operator.AcceptedAt.IsZero() {
			st = cell{Text: c.say("members.invited"), Badge: "warn"}
		}
		r := row{{Text: or(m.Operator.Name)}, {Text: m.Operator.Email}, {Text: c.say("role." + string(m.Role))}, st}
		at := c.appPath("/members/" + string(m.Operator.ID))
		switch {
		case m.Operator.Owner:
			r[2] = cell{Text: c.say("role.installation")}
			if owner {
				r = append(r, cell{})
			}
		case owner:
			r[2] = cell{Choice: &form{Action: at + "/role", Submit: c.say("members.change"), Tone: "small", Fields: []field{
				{Name: "role", Label: c.say("members.role_of", "name", m.Operator.Shown()), Type: "select", Options: c.roleOptions(m.Role), ids: string(m.Operator.ID)},
			}}}
			r = append(r, cell{Act: &button{Text: c.say("members.remove"), Href: at + "/remove", Tone: "small", Label: c.say("members.remove_title", "name", m.Operator.Shown())}})
		}
		t.Rows = append(t.Rows, r)
	}
	p.add(block{Table: t})
	return answer{page: p.add(block{Heading: c.say("members.roles"), Facts: []fact{
		{c.say("role.viewer"), cell{Text: c.say("role_says.viewer")}},
		{c.say("role.developer"), cell{Text: c.say("role_says.developer")}},
		{c.say("role.owner"), cell{Text: c.say("role_says.owner")}},
		{c.say("role.installation"), cell{Text: c.say("role_says.installation")}},
	}})}, nil
}

func (c *call) memberForm() (*page, *form) {
	role := latchkey.Role(c.form("role"))
	if role == "" {
		role = latchkey.RoleDeveloper
	}
	return &page{Title: c.say("members.new"), Lead: c.say("members.new_lead"), Crumb: &link{c.say("members.title"), c.appPath("/members")}},
		&form{Action: c.appPath("/members/new"), Submit: c.say("members.invite"), Cancel: c.appPath("/members"), Fields: []field{
			{Name: "email", Label: c.say("col.email"), Type: "email", Required: true, Max: 254, Value: c.form("email")},
			{Name: "role", Label: c.say("col.role"), Type: "select", Options: c.roleOptions(role)},
		}}
}

func newMember(c *call) (answer, error) {
	p, f := c.memberForm()
	return answer{page: p.add(block{Form: f})}, nil
}

func inviteMember(c *call) (answer, error) {
	made, err := c.d.cfg.Operators.Invite(c.ctx, operators.Invite{
		Email: c.form("email"), ApplicationID: c.app.ID, Role: latchkey.Role(c.form("role")), By: c.operator, Locale: "en",
	})
	if err != nil {
		p, f := c.memberForm()
		return c.again(p, f, err)
	}
	if made.URL.IsZero() {
		done := "member_added"
		if made.Mailed {
			done = "member_mailed"
		}
		return answer{to: c.appPath("/members?done=" + done)}, nil
	}
	p := &page{Title: c.say("members.invited_title", "email", made.Operator.Email), Lead: c.say("members.invited_lead", "time", when(made.ExpiresAt).Text), Crumb: &link{c.say("members.title"), c.appPath("/members")}}
	return answer{page: p.add(block{Once: &once{Label: c.say("once.invitation"), Value: made.URL.Reveal(), Hint: c.say("once.invitation_hint")}})}, nil
}

func changeRole(c *call) (answer, error) {
	err := c.d.cfg.Operators.SetRole(c.ctx, c.app.ID, latchkey.OperatorID(c.id()), latchkey.Role(c.form("role")))
	return answer{to: c.appPath("/members?done=role_changed")}, err
}

func askRemoveMember(c *call) (answer, error) {
	all, err := c.d.cfg.Operators.Members(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	for _, m := range all {
		if string(m.Operator.ID) == c.id() && !m.Operator.Owner {
			return c.ask(c.say("members.remove_title", "name", m.Operator.Shown()), c.say("members.remove_lead"), c.say("members.remove"), c.r.URL.Path, c.appPath("/members"))
		}
	}
	return answer{}, errs.NotFoundf("member")
}

func removeMember(c *call) (answer, error) {
	return answer{to: c.appPath("/members?done=member_removed")}, c.d.cfg.Operators.RemoveMember(c.ctx, c.app.ID, latchkey.OperatorID(c.id()))
}
