package dashboard

import "latchkey"

func auditRoutes() []route {
	return []route{{method: get, path: "/apps/{app}/audit", access: accessViewer, section: "audit", handle: listAudit}}
}

func listAudit(c *call) (answer, error) {
	all, err := c.d.cfg.Audit.List(c.ctx, c.app.ID, c.before("aud_"))
	if err != nil {
		return answer{}, err
	}
	all, more := paged(c, all, func(e latchkey.AuditEntry) string { return string(e.ID) })
	p := &page{Title: c.say("audit.title"), Lead: c.say("audit.lead")}
	if len(all) == 0 {
		return answer{page: p.add(block{Empty: c.empty("audit", accessViewer, "")})}, nil
	}
	t := &table{Caption: c.say("audit.title"), More: more, Cols: []string{c.say("col.time"), c.say("audit.who"), c.say("col.what"), c.say("audit.target"), c.say("audit.outcome"), c.say("col.address")}}
	for _, e := range all {
		who := cell{Text: e.ActorName, Sub: c.d.sayOr("actor."+string(e.Actor), string(e.Actor))}
		if who.Text == "" {
			who.Text = e.ActorID
		}
		what := cell{Text: e.Action}
		if e.Count > 1 {
			what.Sub = c.say("audit.times", "n", number(int64(e.Count)))
		}
		t.Rows = append(t.Rows, row{when(e.At), who, what, {Text: or(e.Target), Mono: e.Target != ""}, c.status("outcome", e.Outcome), {Text: or(e.Address)}})
	}
	return answer{page: p.add(block{Table: t})}, nil
}
