package dashboard

import (
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/errs"
)

// The dashboard's names for how a sender logs in; the last two are of kind oauth.
const (
	kindBasic     = "basic"
	kindMicrosoft = "microsoft"
	kindGoogle    = "google"
)

const sendersPath = "/settings/email"

func senderRoutes() []route {
	const all, one = "/apps/{app}" + sendersPath, "/apps/{app}" + sendersPath + "/{id}"
	routes := []route{
		{method: get, path: all, access: accessViewer, handle: listSenders},
		{method: post, path: all + "/default", access: accessDeveloper, action: "change_application", handle: useDefault},
		{method: get, path: all + "/new", access: accessDeveloper, handle: newSender},
		{method: post, path: all + "/new", access: accessDeveloper, action: "create_sender", handle: createSender},
		{method: post, path: all + "/new/commands", access: accessDeveloper, action: "show_sender_setup", counted: true, handle: showCommands},
		{method: get, path: one, access: accessViewer, handle: senderPage},
		{method: get, path: one + "/edit", access: accessDeveloper, handle: editSender},
		{method: post, path: one + "/edit", access: accessDeveloper, action: "update_sender", handle: saveSender},
		{method: post, path: one + "/use", access: accessDeveloper, action: "change_application", handle: useSender},
		{method: post, path: one + "/proof", access: accessDeveloper, action: "ask_sender", handle: askSender},
		{method: post, path: one + "/check", access: accessDeveloper, action: "check_sender", handle: checkSender},
		{method: post, path: one + "/test", access: accessDeveloper, action: "test_sender", handle: testSender},
		{method: get, path: one + "/dns", access: accessViewer, handle: senderDNS},
		{method: get, path: one + "/setup", access: accessViewer, handle: senderSetup},
		{method: get, path: one + "/delete", access: accessDeveloper, handle: askDeleteSender},
		{method: post, path: one + "/delete", access: accessDeveloper, action: "delete_sender", handle: deleteSender},
	}
	for i := range routes {
		routes[i].section, routes[i].tab = "settings", "email"
	}
	return routes
}

func (c *call) senderPath(id latchkey.SenderID) string {
	return c.appPath(sendersPath + "/" + string(id))
}

// from is a From identity as mail programs show it.
func from(name, email string) string {
	if name == "" {
		return email
	}
	return name + " <" + email + ">"
}

// senderKind is the dashboard's name for how a sender logs in.
func senderKind(v latchkey.Sender) string {
	switch {
	case v.Kind == latchkey.SenderBasic:
		return kindBasic
	case v.Provider == latchkey.Google:
		return kindGoogle
	}
	return kindMicrosoft
}

// trouble is what a code of the mailer's means.
func (c *call) trouble(code string) string {
	if code == "" {
		return ""
	}
	return c.d.sayOr("trouble."+code, code)
}

func (c *call) senderState(v latchkey.Sender) cell {
	switch {
	case v.OwnedAt.IsZero():
		return cell{Text: c.say("senders.state_unproven"), Badge: "warn"}
	case v.Problem != "":
		return cell{Text: c.say("senders.state_broken"), Badge: "bad", Sub: c.trouble(v.Problem)}
	case c.app.Sender == v.ID:
		return cell{Text: c.say("senders.state_used"), Badge: "good"}
	}
	return cell{Text: c.say("senders.state_ready"), Badge: "plain"}
}

// whence says what login emails come from now.
func (c *call) whence(all []latchkey.Sender) *note {
	email, name := c.d.cfg.Mails.Default()
	for _, v := range all {
		switch {
		case v.ID != c.app.Sender:
		case !v.OwnedAt.IsZero() && v.Problem != "":
			return &note{Tone: "bad", Title: c.say("todo.sender_title", "email", v.Email), Text: c.trouble(v.Problem) + ".", Link: &link{c.say("todo.sender_link"), c.senderPath(v.ID)}}
		case !v.OwnedAt.IsZero():
			return &note{Tone: "good", Text: c.say("senders.from_own", "app", c.app.Name, "from", from(v.Name, v.Email))}
		case email == "":
			return &note{Tone: "bad", Text: c.say("senders.from_nothing_yet", "app", c.app.Name, "from", v.Email)}
		default:
			return &note{Tone: "warn", Text: c.say("senders.from_default_yet", "app", c.app.Name, "from", v.Email, "default", from(name, email))}
		}
	}
	if email == "" {
		return &note{Tone: "warn", Title: c.say("senders.no_default_title"), Text: c.say("senders.no_default", "app", c.app.Name)}
	}
	return &note{Text: c.say("senders.from_default", "app", c.app.Name, "default", from(name, email))}
}

func listSenders(c *call) (answer, error) {
	all, err := c.d.cfg.Senders.List(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("senders.title"), Lead: c.say("senders.lead")}
	p.add(block{Note: c.whence(all)})
	if len(all) == 0 {
		return answer{page: p.add(block{Empty: c.empty("senders", accessDeveloper, sendersPath+"/new")})}, nil
	}
	if c.may(accessDeveloper) {
		p.Actions = []button{{Text: c.say("senders.another"), Href: c.appPath(sendersPath + "/new")}}
	}
	t := &table{Caption: c.say("senders.title"), Cols: []string{c.say("senders.sender"), c.say("col.status"), c.say("senders.kind"), c.say("senders.host"), c.say("col.created")}}
	for _, v := range all {
		t.Rows = append(t.Rows, row{
			{Text: v.Email, Sub: v.Name, Href: c.senderPath(v.ID)},
			c.senderState(v),
			{Text: c.say("senders.kind_" + senderKind(v))},
			{Text: c.hostOf(v)},
			when(v.CreatedAt),
		})
	}
	p.add(block{Table: t})
	if c.app.Sender != "" && c.may(accessDeveloper) {
		p.add(block{Buttons: []button{{Text: c.say("senders.use_default"), Href: c.appPath(sendersPath + "/default"), Post: true, Tone: "quiet"}}})
	}
	return answer{page: p}, nil
}

// hostOf is where a sender's mail leaves.
func (c *call) hostOf(v latchkey.Sender) string {
	switch {
	case v.Kind == latchkey.SenderBasic:
		return v.Host + ":" + strconv.Itoa(v.Port)
	case v.Transport == latchkey.TransportGraph:
		return c.say("senders.graph")
	}
	return c.say("senders.smtp_" + senderKind(v))
}

// sender finds the sender that the path names. One of another application's is not there.
func (c *call) sender() (latchkey.Sender, error) {
	return c.d.cfg.Senders.Get(c.ctx, c.app.ID, latchkey.SenderID(c.id()))
}

func senderPage(c *call) (answer, error) {
	v, err := c.sender()
	if err != nil {
		return answer{}, err
	}
	p, err := c.showSender(v)
	return answer{page: p}, err
}

// showSender is a sender's page: what is wrong and what to do first, then what it is.
func (c *call) showSender(v latchkey.Sender) (*page, error) {
	waiting, err := c.d.cfg.Senders.Waiting(c.ctx, v)
	if err != nil {
		return nil, err
	}
	p := c.headOfSender(v)
	at := c.senderPath(v.ID)
	p.add(c.senderNotes(v)...)
	if c.may(accessDeveloper) {
		switch {
		case v.OwnedAt.IsZero():
			p.add(block{Buttons: []button{{Text: c.say("senders.ask_again"), Href: at + "/proof", Post: true}}})
		case c.app.Sender != v.ID:
			p.add(block{Buttons: []button{{Text: c.say("senders.use"), Href: at + "/use", Post: true}}})
		}
	}
	p.add(block{Facts: c.senderFacts(v, waiting)})
	if !c.may(accessDeveloper) {
		return p.add(block{Links: []link{{c.say("senders.dns"), at + "/dns"}, {c.say("senders.setup_" + senderKind(v)), at + "/setup"}}}), nil
	}
	p.add(block{Buttons: []button{
		{Text: c.say("senders.check"), Href: at + "/check", Post: true, Tone: "quiet"},
		{Text: c.say("senders.dns"), Href: at + "/dns", Tone: "quiet"},
		{Text: c.say("senders.setup_" + senderKind(v)), Href: at + "/setup", Tone: "quiet"},
	}})
	if !v.OwnedAt.IsZero() {
		p.add(block{Heading: c.say("senders.test_title"), Text: c.say("senders.test_lead")}, block{Form: c.testForm(v)})
	}
	return p, nil
}

func (c *call) headOfSender(v latchkey.Sender) *page {
	p := &page{Title: from(v.Name, v.Email), Crumb: &link{c.say("senders.title"), c.appPath(sendersPath)}}
	if c.may(accessDeveloper) {
		p.Actions = []button{
			{Text: c.say("form.edit"), Href: c.senderPath(v.ID) + "/edit", Tone: "quiet"},
			{Text: c.say("senders.remove"), Href: c.senderPath(v.ID) + "/delete", Tone: "quiet"},
		}
	}
	return p
}

// senderNotes say what is wrong with a sender, and what is worth knowing.
func (c *call) senderNotes(v latchkey.Sender) []block {
	var out []block
	add := func(n note) { out = append(out, block{Note: &n}) }
	switch {
	case v.OwnedAt.IsZero():
		n := note{Tone: "warn", Title: c.say("senders.unproven_title"), Text: c.say("senders.unproven", "email", v.Email, "time", when(v.ProofExpiresAt).Text)}
		if !v.ProofExpiresAt.After(c.d.now()) {
			n.Text = c.say("senders.unproven_over", "email", v.Email)
		}
		add(n)
	case c.app.Sender == v.ID && v.Problem == "":
		add(note{Tone: "good", Text: c.say("senders.from_own", "app", c.app.Name, "from", from(v.Name, v.Email))})
	case v.Problem == "":
		add(note{Tone: "good", Text: c.say("senders.ready", "app", c.app.Name)})
	}
	if v.Problem != "" {
		text := c.say("senders.problem")
		if v.Fallback {
			text = c.say("senders.problem_fallback")
		}
		add(note{Tone: "bad", Title: c.trouble(v.Problem), Text: text})
	}
	return append(out, c.hintNotes(v)...)
}

func (c *call) hintNotes(v latchkey.Sender) []block {
	var out []block
	for _, h := range c.d.cfg.Senders.Hints(v) {
		n := note{Text: c.d.sayOr("hint."+h.Code, h.Message)}
		switch h.Code {
		case "unproven": // the page says it with the address and the time
			continue
		case "basic_ends":
			n.Tone, n.Link = "warn", &link{c.say("senders.new_microsoft"), c.appPath(sendersPath + "/new?kind=" + kindMicrosoft)}
		case "secret_expired":
			n.Tone = "bad"
		case "secret_expiring", "foreign_domain", "click_tracking":
			n.Tone = "warn"
		}
		if n.Link == nil && h.URL != "" {
			n.Link = &link{c.say("senders.read_more"), h.URL}
		}
		out = append(out, block{Note: &n})
	}
	return out
}

func (c *call) senderFacts(v latchkey.Sender, waiting int) []fact {
	yes := map[bool]string{true: c.say("senders.yes"), false: c.say("senders.no")}
	facts := []fact{
		{c.say("col.status"), c.senderState(v)},
		{c.say("senders.email"), cell{Text: v.Email}},
		{c.say("senders.name"), cell{Text: or(v.Name)}},
		{c.say("senders.kind"), cell{Text: c.say("senders.kind_" + senderKind(v))}},
		{c.say("senders.host"), cell{Text: c.hostOf(v)}},
	}
	switch senderKind(v) {
	case kindBasic:
		facts = append(facts, fact{c.say("senders.username"), cell{Text: v.Username}}, fact{c.say("senders.password"), cell{Text: c.say("form.secret_kept")}})
	case kindMicrosoft:
		ends := when(v.SecretExpiresAt)
		if !v.SecretExpiresAt.IsZero() {
			ends.Text = v.SecretExpiresAt.UTC().Format("2 Jan 2006")
		}
		facts = append(facts,
			fact{c.say("senders.client_id"), cell{Text: v.ClientID, Mono: true}}, fact{c.say("senders.tenant_id"), cell{Text: v.Tenant, Mono: true}},
			fact{c.say("senders.client_secret"), cell{Text: c.say("form.secret_kept")}}, fact{c.say("senders.secret_ends"), ends})
	case kindGoogle:
		facts = append(facts, fact{c.say("senders.service_account"), cell{Text: c.say("form.secret_kept")}})
	}
	return append(facts,
		fact{c.say("senders.fallback_short"), cell{Text: yes[v.Fallback]}},
		fact{c.say("senders.waiting"), cell{Text: number(int64(waiting)), Href: c.appPath("/settings/mails?status=queued")}},
		fact{c.say("senders.checked"), when(v.CheckedAt)},
		fact{c.say("senders.proven"), when(v.OwnedAt)},
		fact{c.say("col.id"), cell{Text: string(v.ID), Mono: true}})
}

// useSender has the application's mail come from a sender, useDefault from the default sender.
func useSender(c *call) (answer, error) {
	v, err := c.sender()
	if err != nil {
		return answer{}, err
	}
	_, err = c.d.cfg.Applications.Change(c.ctx, c.app.ID, applications.Settings{Sender: &v.ID})
	return answer{to: c.senderPath(v.ID) + "?done=sender_used"}, err
}

func useDefault(c *call) (answer, error) {
	var none latchkey.SenderID
	_, err := c.d.cfg.Applications.Change(c.ctx, c.app.ID, applications.Settings{Sender: &none})
	return answer{to: c.appPath(sendersPath + "?done=default_used")}, err
}

// secretSoon is how long before its end a client secret is somebody's task.
const secretSoon = 30 * 24 * time.Hour

// senderTodo is what somebody should do about the sender that login emails come from.
func (c *call) senderTodo() ([]block, error) {
	if c.app.Sender == "" {
		return nil, nil
	}
	v, err := c.d.cfg.Senders.Get(c.ctx, c.app.ID, c.app.Sender)
	if errs.Is(err, errs.CodeNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n := &note{Tone: "bad", Link: &link{c.say("todo.sender_link"), c.senderPath(v.ID)}}
	switch ends := v.SecretExpiresAt; {
	case v.OwnedAt.IsZero():
		n.Tone, n.Title, n.Text = "warn", c.say("todo.sender_unproven_title", "email", v.Email), c.say("todo.sender_unproven")
	case v.Problem != "":
		n.Title, n.Text = c.say("todo.sender_title", "email", v.Email), c.trouble(v.Problem)+"."
	case !ends.IsZero() && ends.Before(c.d.now().Add(secretSoon)):
		n.Tone, n.Title, n.Text = "warn", c.say("todo.sender_secret_title", "day", ends.UTC().Format("2 Jan 2006")), c.say("todo.sender_secret", "email", v.Email)
	default:
		return nil, nil
	}
	return []block{{Note: n}}, nil
}
