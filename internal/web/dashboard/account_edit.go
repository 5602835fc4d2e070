package dashboard

import (
	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/address"
	"latchkey/internal/errs"
	"latchkey/internal/web"
)

func (c *call) accountForm(a latchkey.Account) (*page, *form) {
	return &page{Title: c.say("accounts.edit_title", "name", shownAccount(a)), Crumb: &link{shownAccount(a), c.accountPath(a, "")}},
		&form{Action: c.accountPath(a, "/edit"), Submit: c.say("form.save"), Cancel: c.accountPath(a, ""), Fields: []field{
			c.notifyField(c.notifyHint("accounts.notify_email"), a.Notify.Email),
			c.languageField("notify_locale", "accounts.notify_locale", "accounts.notify_locale_hint", a.Notify.Locale),
		}}
}

// notifyHint is a text that says too that no such mails are sent, where they are not.
func (c *call) notifyHint(key string) string {
	if !c.app.ReconnectEmail.Enabled {
		return c.say(key+"_hint") + " " + c.say("accounts.notify_off")
	}
	return c.say(key + "_hint")
}

func (c *call) notifyField(hint, kept string) field {
	return field{Name: "notify_email", Label: c.say("accounts.notify_email"), Hint: hint, Type: "email", Max: 254, Value: c.entered("notify_email", kept)}
}

func (c *call) languageField(name, label, hint, kept string) field {
	return field{Name: name, Label: c.say(label), Hint: c.say(hint), Max: web.MaxLanguage, Value: c.entered(name, kept)}
}

func editAccount(c *call) (answer, error) {
	a, err := c.account()
	if err != nil {
		return answer{}, err
	}
	p, f := c.accountForm(a)
	return answer{page: p.add(block{Form: f})}, nil
}

func saveAccount(c *call) (answer, error) {
	a, err := c.account()
	if err != nil {
		return answer{}, err
	}
	var wrong []errs.FieldError
	email, locale := c.notifyEmail(&wrong), c.languageTag("notify_locale", &wrong)
	if wrong != nil {
		err = errs.InvalidFields(wrong...)
	} else {
		_, err = c.d.cfg.Accounts.Change(c.ctx, c.app.ID, string(a.ID), accounts.Change{NotifyEmail: &email, NotifyLocale: &locale})
	}
	if err != nil {
		p, f := c.accountForm(a)
		return c.again(p, f, err)
	}
	return answer{to: c.accountPath(a, "?done=saved")}, nil
}

// notifyEmail reads where an end user is told by mail when an account breaks; empty for nowhere.
func (c *call) notifyEmail(wrong *[]errs.FieldError) string {
	s := c.form("notify_email")
	if s == "" {
		return ""
	}
	a, err := address.Parse(s)
	if err != nil {
		*wrong = append(*wrong, errs.FieldError{Field: "notify_email", Code: errs.CodeInvalidEmail, Message: c.say("form.bad_email")})
	}
	return a.Typed
}

// languageTag reads a language; empty where none is given.
func (c *call) languageTag(name string, wrong *[]errs.FieldError) string {
	s := c.form(name)
	if s == "" {
		return ""
	}
	tag, ok := web.LanguageTag(s)
	if !ok {
		*wrong = append(*wrong, errs.FieldError{Field: name, Code: errs.CodeInvalidValue, Message: web.BadLanguage})
	}
	return tag
}
