package dashboard

import (
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
)

// newSender asks how the mail host is logged in to, and then for the rest.
func newSender(c *call) (answer, error) {
	kind := c.r.URL.Query().Get("kind")
	p := &page{Title: c.say("senders.new"), Crumb: &link{c.say("senders.title"), c.appPath(sendersPath)}}
	switch kind {
	case kindBasic, kindMicrosoft, kindGoogle:
		p, f := c.senderForm(kind, latchkey.Sender{})
		return answer{page: c.withHelp(p.add(block{Form: f}), kind, latchkey.Sender{})}, nil
	}
	p.Lead = c.say("senders.new_lead")
	var ways []tile
	for _, k := range []string{kindBasic, kindMicrosoft, kindGoogle} {
		ways = append(ways, tile{c.say("senders.new_" + k), c.say("senders.new_" + k + "_sub"), c.appPath(sendersPath + "/new?kind=" + k)})
	}
	return answer{page: p.add(block{Tiles: ways})}, nil
}

// senderForm is for a new sender and for one that is there. Secrets are never shown again.
func (c *call) senderForm(kind string, v latchkey.Sender) (*page, *form) {
	p := &page{Title: c.say("senders.new_" + kind), Lead: c.say("senders.lead_" + kind), Crumb: &link{c.say("senders.title"), c.appPath(sendersPath)}}
	f := &form{Action: c.appPath(sendersPath + "/new"), Submit: c.say("senders.save"), Cancel: c.appPath(sendersPath), Hidden: []field{{Name: "kind", Value: kind}, {Name: "provider"}}}
	kept := func(name string) string { return c.say("senders." + name) }
	if v.ID != "" {
		p.Title, p.Lead, p.Crumb = c.say("senders.edit", "email", v.Email), c.say("senders.edit_lead"), &link{from(v.Name, v.Email), c.senderPath(v.ID)}
		f.Action, f.Cancel = c.senderPath(v.ID)+"/edit", c.senderPath(v.ID)
		kept = func(name string) string { return c.say("senders." + name + "_kept") }
	} else if kind == kindMicrosoft {
		f.Second = &button{Text: c.say("senders.commands"), Href: c.appPath(sendersPath + "/new/commands")}
	}
	f.Fields = []field{
		{Name: "sender_email", Label: c.say("senders.email"), Hint: c.say("senders.email_hint"), Type: "email", Required: true, Max: mailer.MaxSenderEmail, Value: c.entered("sender_email", v.Email)},
		{Name: "sender_name", Label: c.say("senders.name"), Hint: c.say("senders.name_hint"), Max: mailer.MaxSenderName, Value: c.entered("sender_name", v.Name)},
	}
	switch kind {
	case kindBasic:
		f.Fields = append(f.Fields, c.basicFields(v, kept)...)
	case kindMicrosoft:
		f.Fields = append(f.Fields, c.microsoftFields(v, kept)...)
	case kindGoogle:
		f.Fields = append(f.Fields, field{Name: "service_account", Label: c.say("senders.service_account"), Hint: kept("service_account_hint"), Type: "textarea", Required: v.ID == ""})
	}
	fallback := v.Fallback
	if c.r.Method == post {
		fallback = c.form("fallback") == "true"
	}
	hint := "senders.fallback_hint"
	if email, _ := c.d.cfg.Mails.Default(); email == "" {
		hint = "senders.fallback_none"
	}
	f.Fields = append(f.Fields, field{Name: "fallback", Type: "checkbox", Label: c.say("senders.fallback"), Hint: c.say(hint), Checked: fallback})
	return p, f
}

func (c *call) basicFields(v latchkey.Sender, kept func(string) string) []field {
	port := "587"
	if v.Port != 0 {
		port = strconv.Itoa(v.Port)
	}
	return []field{
		{Name: "host", Label: c.say("senders.host"), Hint: c.say("senders.host_hint"), Required: true, Max: mailer.MaxHost, Value: c.entered("host", v.Host)},
		{Name: "port", Label: c.say("senders.port"), Hint: c.say("senders.port_hint"), Required: true, Max: len("65535"), Value: c.entered("port", port)},
		{Name: "username", Label: c.say("senders.username"), Required: true, Max: mailer.MaxUsername, Value: c.entered("username", v.Username)},
		{Name: "password", Label: c.say("senders.password"), Hint: kept("password_hint"), Type: "password", Required: v.ID == "", Max: mailer.MaxSenderSecret},
	}
}

func (c *call) microsoftFields(v latchkey.Sender, kept func(string) string) []field {
	ends := ""
	if !v.SecretExpiresAt.IsZero() {
		ends = v.SecretExpiresAt.UTC().Format(time.DateOnly)
	}
	transport := c.entered("transport", string(v.Transport))
	return []field{
		{Name: "client_id", Label: c.say("senders.client_id"), Hint: c.say("senders.client_id_hint"), Required: true, Max: mailer.MaxClientID, Value: c.entered("client_id", v.ClientID)},
		{Name: "client_secret", Label: c.say("senders.client_secret"), Hint: kept("client_secret_hint"), Type: "password", Required: v.ID == "", Max: mailer.MaxSenderSecret},
		{Name: "tenant_id", Label: c.say("senders.tenant_id"), Hint: c.say("senders.tenant_id_hint"), Required: true, Max: mailer.MaxHost, Value: c.entered("tenant_id", v.Tenant)},
		{Name: "secret_expires_at", Label: c.say("senders.secret_ends"), Hint: c.say("senders.secret_ends_hint"), Type: "date", Value: c.entered("secret_expires_at", ends)},
		{Name: "transport", Label: c.say("senders.transport"), Hint: c.say("senders.transport_hint"), Type: "select", Options: []option{
			{"smtp", c.say("senders.transport_smtp"), transport != "graph"}, {"graph", c.say("senders.transport_graph"), transport == "graph"},
		}},
	}
}

// entered is what was typed, or what is kept where nothing was.
func (c *call) entered(name, kept string) string {
	if c.r.Method == post {
		return c.form(name)
	}
	return kept
}

// withHelp adds what to know before the form is filled in.
func (c *call) withHelp(p *page, kind string, draft latchkey.Sender) *page {
	if kind == kindBasic {
		hosts := &table{Caption: c.say("senders.hosts"), Cols: []string{c.say("senders.host"), c.say("senders.username"), c.say("senders.password")}}
		for _, h := range []string{"postmark", "sendgrid", "ses", "resend", "gmail"} {
			hosts.Rows = append(hosts.Rows, row{{Text: c.say("hosts." + h), Mono: true}, {Text: c.say("hosts." + h + "_username")}, {Text: c.say("hosts." + h + "_password")}})
		}
		p.Blocks = append([]block{{Note: &note{
			Tone: "warn", Title: c.say("senders.not_microsoft_title"), Text: c.say("senders.not_microsoft"),
			Link: &link{c.say("senders.new_microsoft"), c.appPath(sendersPath + "/new?kind=" + kindMicrosoft)},
		}}}, p.Blocks...)
		return p.add(block{Heading: c.say("senders.hosts")}, block{Table: hosts})
	}
	say := ""
	if kind == kindMicrosoft {
		say = c.say("senders.commands_say")
	}
	return p.add(block{Heading: c.say("senders.setup_" + kind), Text: say}, block{Steps: c.steps(c.d.cfg.Senders.Setup(c.filled(kind, draft)))})
}

// filled is a sender for the commands: what was typed, and names of the values that are still missing or
// are not what they must be. What is not checked stands in no command.
func (c *call) filled(kind string, was latchkey.Sender) latchkey.Sender {
	spec, _ := c.senderSpec(kind)
	v, problems := c.d.cfg.Senders.Apply(was, spec)
	for _, x := range problems {
		switch x.Field {
		case "sender_email":
			v.Email, v.Address = "SENDER_EMAIL", "SENDER_EMAIL"
		case "client_id":
			v.ClientID = "CLIENT_ID"
		case "tenant_id":
			v.Tenant = "TENANT_ID"
		case "service_account":
			v.ServiceAccount = ""
		}
	}
	return v
}

// senderSpec reads the form. A secret that was left empty stays what it is.
func (c *call) senderSpec(kind string) (mailer.SenderSpec, []errs.FieldError) {
	var wrong []errs.FieldError
	text := func(name string) *string {
		s := c.form(name)
		return &s
	}
	pasted := func(name string) *string {
		if s := c.r.PostFormValue(name); strings.TrimSpace(s) != "" {
			return &s
		}
		return nil
	}
	sort, fallback := "oauth", c.form("fallback") == "true"
	spec := mailer.SenderSpec{Kind: &sort, Email: text("sender_email"), Name: text("sender_name"), Fallback: &fallback}
	switch kind {
	case kindBasic:
		sort = "basic"
		spec.Host, spec.Username, spec.Password = text("host"), text("username"), pasted("password")
		if s := c.form("port"); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil {
				n = -1 // is out of the range that ports have
			}
			spec.Port = &n
		}
	case kindMicrosoft:
		spec.Provider, spec.ClientID, spec.Tenant, spec.ClientSecret = &kind, text("client_id"), text("tenant_id"), pasted("client_secret")
		if s := c.form("transport"); s != "" {
			spec.Transport = &s
		}
		ends, err := time.Time{}, error(nil)
		if s := c.form("secret_expires_at"); s != "" {
			ends, err = time.Parse(time.DateOnly, s)
		}
		if err != nil {
			wrong = append(wrong, errs.FieldError{Field: "secret_expires_at", Code: errs.CodeInvalidDate, Message: c.say("senders.bad_date")})
		}
		spec.SecretExpiresAt = &ends
	case kindGoogle:
		spec.Provider, spec.ServiceAccount = &kind, pasted("service_account")
	}
	return spec, wrong
}

// readSender reads the form and gathers all that is wrong with it.
func (c *call) readSender(kind string, was latchkey.Sender) (mailer.SenderSpec, error) {
	spec, wrong := c.senderSpec(kind)
	_, more := c.d.cfg.Senders.Apply(was, spec)
	if wrong = append(wrong, more...); len(wrong) > 0 {
		return spec, errs.InvalidFields(wrong...)
	}
	return spec, nil
}

func createSender(c *call) (answer, error) {
	kind := c.form("kind")
	if kind != kindBasic && kind != kindMicrosoft && kind != kindGoogle {
		return answer{}, noPage()
	}
	spec, err := c.readSender(kind, latchkey.Sender{})
	var made latchkey.Sender
	if err == nil {
		made, err = c.d.cfg.Senders.Create(c.ctx, c.app.ID, spec)
	}
	if err != nil {
		return c.senderAgain(kind, latchkey.Sender{}, err)
	}
	return answer{to: c.senderPath(made.ID) + "?done=sender_created"}, nil
}

// senderAgain shows the form with what was refused, and with what was typed but for secrets.
func (c *call) senderAgain(kind string, was latchkey.Sender, err error) (answer, error) {
	p, f := c.senderForm(kind, was)
	if e := errs.As(err); e.Code == errs.CodeSenderCheck {
		e.Detail = c.say("senders.not_taken")
	}
	ans, err := c.again(p, f, err)
	if err == nil && was.ID == "" {
		c.withHelp(p, kind, was)
	}
	return ans, err
}

// showCommands fills the commands in with what was typed. Nothing is saved.
func showCommands(c *call) (answer, error) {
	p, f := c.senderForm(kindMicrosoft, latchkey.Sender{})
	f.Fields[3].Hint = c.say("senders.type_again")
	p.add(block{Note: &note{Text: c.say("senders.commands_below")}}, block{Form: f})
	return answer{page: c.withHelp(p, kindMicrosoft, latchkey.Sender{})}, nil
}

func editSender(c *call) (answer, error) {
	v, err := c.sender()
	if err != nil {
		return answer{}, err
	}
	p, f := c.senderForm(senderKind(v), v)
	return answer{page: p.add(block{Form: f})}, nil
}

func saveSender(c *call) (answer, error) {
	was, err := c.sender()
	if err != nil {
		return answer{}, err
	}
	kind := senderKind(was)
	spec, err := c.readSender(kind, was)
	var now latchkey.Sender
	if err == nil {
		now, err = c.d.cfg.Senders.Update(c.ctx, c.app.ID, was.ID, spec)
	}
	if err != nil {
		return c.senderAgain(kind, was, err)
	}
	done := "saved"
	if now.OwnedAt.IsZero() {
		done = "sender_asked"
	}
	return answer{to: c.senderPath(now.ID) + "?done=" + done}, nil
}
