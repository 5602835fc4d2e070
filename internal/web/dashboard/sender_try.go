package dashboard

import (
	"strconv"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/mailer"
)

// askSender sends the question to the sender's address once more.
func askSender(c *call) (answer, error) {
	v, err := c.d.cfg.Senders.AskAgain(c.ctx, c.app.ID, latchkey.SenderID(c.id()), "")
	return answer{to: c.senderPath(v.ID) + "?done=sender_asked"}, err
}

// checkSender tries the sender on its host now, and shows stage by stage what came of it.
func checkSender(c *call) (answer, error) {
	v, check, err := c.d.cfg.Senders.Check(c.ctx, c.app.ID, latchkey.SenderID(c.id()))
	if err != nil {
		return answer{}, err
	}
	p, err := c.showSender(v)
	if err != nil {
		return answer{}, err
	}
	said := &note{Tone: "good", Text: c.say("senders.check_ok")}
	if !check.OK {
		said = &note{Tone: "bad", Text: c.say("senders.check_failed")}
	}
	t := &table{Caption: c.say("senders.findings"), Cols: []string{c.say("col.status"), c.say("senders.stage"), c.say("col.what"), c.say("senders.said")}}
	for _, f := range check.Findings {
		t.Rows = append(t.Rows, row{c.verdict(f.OK), {Text: c.say("stage." + f.Stage)}, {Text: f.Message}, {Text: or(f.Detail), Mono: f.Detail != ""}})
	}
	p.Blocks = append([]block{{Note: said}, {Heading: c.say("senders.findings")}, {Table: t}}, p.Blocks...)
	return answer{page: p}, nil
}

func (c *call) verdict(ok bool) cell {
	if ok {
		return cell{Text: c.say("senders.right"), Badge: "good"}
	}
	return cell{Text: c.say("senders.wrong"), Badge: "bad"}
}

func (c *call) testForm(v latchkey.Sender) *form {
	to := c.form("to")
	if to == "" {
		to = c.operator.Email
	}
	return &form{Action: c.senderPath(v.ID) + "/test", Submit: c.say("senders.test"), Tone: "quiet", Fields: []field{
		{Name: "to", Label: c.say("senders.test_to"), Type: "email", Max: mailer.MaxSenderEmail, Value: to},
	}}
}

// testSender sends a real mail and says what became of it.
func testSender(c *call) (answer, error) {
	v, err := c.sender()
	if err != nil {
		return answer{}, err
	}
	m, err := c.d.cfg.Senders.Test(c.ctx, c.app.ID, v.ID, c.form("to"), "")
	if err != nil {
		p := c.headOfSender(v)
		return c.again(p, c.testForm(v), err)
	}
	p, err := c.showSender(v)
	if err != nil {
		return answer{}, err
	}
	n := &note{Tone: "warn", Title: c.say("senders.test_"+string(m.Status), "to", m.To), Text: strings.TrimSpace(c.trouble(m.Code) + " " + m.Detail), Link: &link{c.say("senders.test_log"), c.appPath("/settings/mails/" + string(m.ID))}}
	switch m.Status {
	case latchkey.MailAccepted:
		n.Tone, n.Text = "good", c.say("senders.test_look")
	case latchkey.MailFailed, latchkey.MailExpired:
		n.Tone = "bad"
	}
	p.Blocks = append([]block{{Note: n}}, p.Blocks...)
	return answer{page: p}, nil
}

// senderDNS shows what the domain's records say of its mail, and what to change.
func senderDNS(c *call) (answer, error) {
	v, err := c.sender()
	if err != nil {
		return answer{}, err
	}
	advice, err := c.d.cfg.Senders.DNS(c.ctx, v)
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("senders.dns_title", "domain", advice.Domain), Lead: c.say("senders.dns_lead"), Crumb: &link{from(v.Name, v.Email), c.senderPath(v.ID)}}
	for _, f := range advice.Findings {
		state := cell{Text: c.say("senders.dns_ok"), Badge: "good"}
		switch {
		case !f.OK && (f.Code == "unknown" || f.Code == "unavailable"):
			state = cell{Text: c.say("senders.dns_unknown"), Badge: "plain"}
		case !f.OK:
			state = cell{Text: c.say("senders.dns_bad"), Badge: "warn"}
		}
		facts := []fact{{c.say("col.status"), state}, {c.say("col.what"), cell{Text: f.Message}}, {c.say("senders.record"), cell{Text: f.Name, Mono: true}}}
		for _, found := range f.Found {
			facts = append(facts, fact{c.say("senders.found"), cell{Text: found, Mono: true}})
		}
		if f.Suggest != "" {
			facts = append(facts, fact{c.say("senders.suggest"), cell{Text: f.Suggest, Mono: true}})
		}
		p.add(block{Heading: c.say("record." + f.Record)}, block{Facts: facts})
	}
	return answer{page: p}, nil
}

// senderSetup shows what has to be done at the provider, with the sender's own values.
func senderSetup(c *call) (answer, error) {
	v, err := c.sender()
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("senders.setup_" + senderKind(v)), Crumb: &link{from(v.Name, v.Email), c.senderPath(v.ID)}}
	return answer{page: p.add(block{Heading: c.say("senders.in_order")}, block{Steps: c.steps(c.d.cfg.Senders.Setup(v))})}, nil
}

func (c *call) steps(all []mailer.SetupStep) []step {
	var out []step
	for i, s := range all {
		x := step{Title: s.Title, Text: s.Text, Commands: strings.Join(s.Commands, "\n"), ID: "commands-" + strconv.Itoa(i)}
		if s.URL != "" {
			_, host, _ := strings.Cut(s.URL, "://")
			host, _, _ = strings.Cut(host, "/")
			x.Link = &link{c.say("senders.open", "host", host), s.URL}
		}
		out = append(out, x)
	}
	return out
}

func askDeleteSender(c *call) (answer, error) {
	v, err := c.sender()
	if err != nil {
		return answer{}, err
	}
	if c.app.Sender == v.ID {
		p := &page{Title: c.say("senders.in_use_title"), Lead: c.say("senders.in_use", "app", c.app.Name, "email", v.Email), Crumb: &link{from(v.Name, v.Email), c.senderPath(v.ID)}}
		return answer{page: p.add(block{Buttons: []button{{Text: c.say("senders.use_default"), Href: c.appPath(sendersPath + "/default"), Post: true}}})}, nil
	}
	return c.ask(c.say("senders.delete_title", "email", v.Email), c.say("senders.delete_lead"), c.say("senders.remove"), c.r.URL.Path, c.senderPath(v.ID))
}

func deleteSender(c *call) (answer, error) {
	err := c.d.cfg.Senders.Delete(c.ctx, c.app.ID, latchkey.SenderID(c.id()))
	if errs.Is(err, errs.CodeConflict) { // somebody chose it meanwhile
		return askDeleteSender(c)
	}
	return answer{to: c.appPath(sendersPath + "?done=sender_deleted")}, err
}
