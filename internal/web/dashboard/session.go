package dashboard

import (
	"encoding/json"
	"strings"

	"latchkey/internal/errs"
	"latchkey/internal/web"
)

func sessionRoutes() []route {
	return []route{
		{method: get, path: "/sign-in", access: accessOpen, handle: signInPage},
		{method: post, path: "/sign-in/passkey", access: accessOpen, handle: beginPasskey},
		{method: post, path: "/sign-in/passkey/finish", access: accessOpen, handle: finishPasskey},
		{method: post, path: "/sign-in/code", access: accessOpen, handle: beginCode},
		{method: get, path: "/sign-in/return", access: accessOpen, handle: returnPage},
		{method: post, path: "/sign-in/return", access: accessOpen, handle: endCode},
		{method: get, path: "/enter/{token}", access: accessOpen, handle: doorPage},
		{method: post, path: "/enter/{token}", access: accessOpen, handle: enter},
		{method: post, path: "/sign-out", access: accessSignedIn, action: "sign_out", handle: signOut},
	}
}

// signInPage offers the ways in. Who is in already goes on.
func signInPage(c *call) (answer, error) {
	if _, _, err := c.d.cfg.Operators.Authenticate(c.ctx, c.d.cookie(c.r)); err == nil {
		return answer{to: next(c.r.URL.Query().Get("next"))}, nil
	}
	p := &page{Title: c.say("sign_in.title"), Lead: c.say("sign_in.lead"), Narrow: true}
	if c.d.cfg.Operators.HasPasskeys() {
		p.Passkeys = true
		p.add(block{Passkey: c.passkey("sign-in", root+"/sign-in/passkey")})
	} else {
		p.add(block{Note: &note{Tone: "warn", Title: c.say("passkey.none_title"), Text: c.say("passkey.none")}})
	}
	if c.d.cfg.Codes != nil {
		p.add(block{Heading: c.say("sign_in.code_title"), Text: c.say("sign_in.code"), Form: c.codeForm()})
	}
	p.add(block{Heading: c.say("sign_in.lost_title"), Text: c.say("sign_in.lost")})
	return answer{page: p}, nil
}

func (c *call) codeForm() *form {
	return &form{Action: root + "/sign-in/code", Submit: c.say("sign_in.code_submit"), Fields: []field{
		{Name: "email", Label: c.say("first.email"), Type: "email", Required: true, Max: 254, Auto: "email", Value: c.form("email")},
	}}
}

// beginCode has a code sent, and leads to the page that asks for it.
func beginCode(c *call) (answer, error) {
	if c.d.cfg.Codes == nil {
		return answer{}, noPage()
	}
	to, err := c.d.cfg.Codes.BeginOperator(c.w, c.r, c.form("email"), c.d.base+root+"/sign-in/return")
	if err != nil {
		return c.again(&page{Title: c.say("sign_in.title"), Narrow: true}, c.codeForm(), err)
	}
	return answer{to: to}, nil
}

// returnPage is where the code's page leads. It asks for a click: a GET signs nobody in.
func returnPage(c *call) (answer, error) {
	p := &page{Title: c.say("sign_in.return_title"), Lead: c.say("sign_in.return"), Narrow: true}
	f := &form{Action: root + "/sign-in/return", Submit: c.say("sign_in.go_on"), Hidden: []field{{Name: "code", Value: c.r.URL.Query().Get("code")}}}
	return answer{page: p.add(block{Form: f})}, nil
}

// endCode exchanges what the browser came back with for a login.
func endCode(c *call) (answer, error) {
	if c.d.cfg.Codes == nil {
		return answer{}, noPage()
	}
	address, err := c.d.cfg.Codes.EndOperator(c.r, c.form("code"))
	if err != nil {
		return answer{}, err
	}
	in, err := c.d.cfg.Operators.ByMailbox(c.ctx, address, c.browser())
	if err != nil {
		return answer{}, err
	}
	c.d.setCookie(c.w, in.Token.Reveal())
	return answer{to: root}, nil
}

func (c *call) passkey(kind, at string) *passkeyBlock {
	return &passkeyBlock{
		Kind: kind, Begin: at, Finish: at + "/finish", Button: c.say("passkey." + kind), Failed: c.say("passkey.failed"), Missing: c.say("passkey.missing"),
	}
}

// passkeyAnswer is what the script sends.
type passkeyAnswer struct {
	Token      string          `json:"token"`
	Name       string          `json:"name"`
	Next       string          `json:"next"`
	Credential json.RawMessage `json:"credential"`
}

func (c *call) readPasskey() (passkeyAnswer, error) {
	var a passkeyAnswer
	body, err := web.ReadBody(c.r, maxForm)
	if err != nil {
		return a, err
	}
	if json.Unmarshal(body, &a) != nil || len(a.Token) > 100 {
		return a, errs.New(errs.Invalid, errs.CodeMalformedJSON, "This request could not be read.")
	}
	return a, nil
}

type passkeyAsked struct {
	Token   string `json:"token"`
	Options any    `json:"options"`
}

type passkeyDone struct {
	To string `json:"to"`
}

func beginPasskey(c *call) (answer, error) {
	q, err := c.d.cfg.Operators.BeginPasskey(c.ctx)
	return answer{json: passkeyAsked{q.Token.Reveal(), q.Options}}, err
}

func finishPasskey(c *call) (answer, error) {
	a, err := c.readPasskey()
	if err != nil {
		return answer{}, err
	}
	in, err := c.d.cfg.Operators.Passkey(c.ctx, a.Token, a.Credential, c.browser())
	if err != nil {
		return answer{}, err
	}
	c.d.setCookie(c.w, in.Token.Reveal())
	return answer{json: passkeyDone{next(a.Next)}}, nil
}

// doorPage shows what a one-time URL is for. Looking at it uses nothing up.
func doorPage(c *call) (answer, error) {
	door, err := c.d.cfg.Operators.Look(c.ctx, c.r.PathValue("token"))
	if err != nil {
		return answer{}, err
	}
	p, f := c.door(door.First, door.Operator.Email, c.say("enter.until", "time", when(door.ExpiresAt).Text))
	return answer{page: p.add(block{Form: f})}, nil
}

func (c *call) door(first bool, email, until string) (*page, *form) {
	p := &page{Title: c.say("enter.title"), Lead: c.say("enter.lead", "email", email), Narrow: true}
	f := &form{Action: root + "/enter/" + c.r.PathValue("token"), Submit: c.say("enter.submit"), Fields: []field{
		{Name: "name", Label: c.say("enter.name"), Max: 100, Auto: "name", Value: c.form("name"), Hint: c.say("enter.name_hint")},
	}}
	if first {
		p.Title, p.Lead = c.say("first.title"), c.say("first.lead")
		f.Submit = c.say("first.submit")
		f.Fields = append([]field{{
			Name: "email", Label: c.say("first.email"), Type: "email", Required: true, Max: 254, Auto: "email", Value: c.form("email"), Hint: c.say("first.email_hint"),
		}}, f.Fields...)
	}
	if until != "" {
		p.add(block{Text: until})
	}
	return p, f
}

// enter uses a one-time URL up.
func enter(c *call) (answer, error) {
	token := c.r.PathValue("token")
	in, err := c.d.cfg.Operators.Enter(c.ctx, token, c.form("email"), c.form("name"), c.browser())
	if errs.Is(err, errs.CodeInvalidParameters) {
		door, lerr := c.d.cfg.Operators.Look(c.ctx, token)
		if lerr != nil {
			return answer{}, lerr
		}
		p, f := c.door(door.First, door.Operator.Email, "")
		return c.again(p, f, err)
	}
	if err != nil {
		return answer{}, err
	}
	c.d.setCookie(c.w, in.Token.Reveal())
	return answer{to: root + "/me?done=entered"}, nil
}

func signOut(c *call) (answer, error) {
	if err := c.d.cfg.Operators.EndLogin(c.ctx, c.operator.ID, c.login.ID); err != nil && !errs.Is(err, errs.CodeNotFound) {
		return answer{}, err
	}
	c.d.setCookie(c.w, "")
	return answer{to: root + "/sign-in?done=signed_out"}, nil
}

// shortAgent is the browser's name out of what it says of itself.
func shortAgent(s string) string {
	for _, x := range []struct{ mark, name string }{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	} {
		if strings.Contains(s, x.mark) {
			for _, os := range []string{"Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"} {
				if strings.Contains(s, os) {
					return x.name + ", " + os
				}
			}
			return x.name
		}
	}
	if s == "" {
		return "–"
	}
	return s
}
