package wizardtest

import (
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/connector/telegram"
	"latchkey/internal/connector/whatsapp"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
)

// PhoneConnectors describes the providers that are connected by a phone, with their own words.
func PhoneConnectors() []connector.Descriptor {
	return []connector.Descriptor{
		whatsapp.New(whatsapp.Config{Now: Now}).Describe(),
		telegram.New(telegram.Config{APIID: 1, APIHash: "x", Now: Now}).Describe(),
	}
}

// PhoneStates are the pages of both, in the languages named.
func PhoneStates(langs ...string) []State {
	var out []State
	for _, lang := range langs {
		first := start(latchkey.WhatsApp, latchkey.Telegram)
		first.Scopes = []string{"profile.read", "contacts.read", "messages.read", "messages.send"}
		out = append(out, State{Name: "start-" + lang, Lang: lang, View: first})
		for name, v := range phoneViews() {
			out = append(out, State{Name: name + "-" + lang, Lang: lang, View: v})
		}
	}
	return out
}

func phoneViews() map[string]hosted.View {
	out := map[string]hosted.View{}
	add := func(name string, p latchkey.Provider, st connector.Step) {
		v := bound(p, st)
		v.Busy = st.Poll > 0
		out[name] = v
	}
	whatsappSteps(func(name string, st connector.Step) { add(name, latchkey.WhatsApp, st) })
	telegramSteps(func(name string, st connector.Step) { add(name, latchkey.Telegram, st) })
	for _, p := range []latchkey.Provider{latchkey.WhatsApp, latchkey.Telegram} {
		for _, code := range []errs.Code{errs.CodeAccountBlocked, errs.CodeClientOutdated, errs.CodeProxyRefused} {
			if p == latchkey.Telegram && code == errs.CodeClientOutdated {
				continue
			}
			v := end(hosted.StepFailed, latchkey.FlowFailed, connector.ActStart)
			v.Provider, v.Failure = p, &hosted.Failure{Code: code}
			out[string(p)+"-failed-"+string(code)] = v
		}
	}
	return out
}

func whatsappSteps(add func(string, connector.Step)) {
	notes := []connector.Note{{Level: connector.NoteInfo, Code: "whatsapp.linked"}, {Level: connector.NoteWarn, Code: "whatsapp.unofficial"}}
	phone := connector.Step{
		Kind: connector.KindForm, ID: "whatsapp.phone", Notes: notes, Actions: actions{connector.ActSubmit, connector.ActSwitchMethod},
		Fields: []connector.Field{{Name: "phone", Type: connector.FieldTel, Required: true, MaxLength: 40, Autocomplete: "tel", Value: "0151 12345678"}},
		Errors: []connector.FieldIssue{{Field: "phone", Code: errs.CodePhoneNotInternational}},
	}
	add("whatsapp-phone", phone)
	qr := connector.Step{
		Kind: connector.KindDisplay, ID: "whatsapp.qr", Display: connector.DisplayQR, Payload: "https://wa.me/settings/linked_devices#2@Zx9Qk1mN7vT3bY6cW8dR0fG2hJ4kL5pS,AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfG=,HiJkLmNoPqRsTuVwXyZ0123456789AbCdEfGhIjKlM=,NoPq=,1",
		Notes: notes, Poll: time.Second, ExpiresAt: Now().Add(42 * time.Second), Attempt: 1, Attempts: 6, Actions: actions{connector.ActSwitchMethod},
	}
	add("whatsapp-qr", qr)
	over := qr
	over.Payload, over.Poll, over.Notes, over.ExpiresAt, over.Attempt = "", 0, nil, time.Time{}, 0
	over.Actions = actions{connector.ActRefresh, connector.ActSwitchMethod}
	over.Errors = []connector.FieldIssue{{Code: errs.CodeCodeExpired}}
	add("whatsapp-new-code", over)
	code := connector.Step{
		Kind: connector.KindDisplay, ID: "whatsapp.code", Display: connector.DisplayCode, Payload: "K7QX-2M9P", Args: map[string]string{"phone": "+4915112345678"},
		Notes: notes, Poll: time.Second, ExpiresAt: Now().Add(155 * time.Second), Actions: actions{connector.ActBack, connector.ActSwitchMethod},
	}
	add("whatsapp-code", code)
	over = code
	over.Payload, over.Poll, over.Notes, over.ExpiresAt = "", 0, nil, time.Time{}
	over.Actions = actions{connector.ActRefresh, connector.ActBack, connector.ActSwitchMethod}
	over.Errors = []connector.FieldIssue{{Code: errs.CodeRateLimited}}
	add("whatsapp-code-limited", over)
	add("whatsapp-passkey", connector.Step{
		Kind: connector.KindExtension, ID: "whatsapp.passkey", Extra: []byte(`{"type":"webauthn","url":"https://web.whatsapp.com/","public_key":{}}`),
		ExpiresAt: Now().Add(9 * time.Minute), Display: connector.DisplayCode,
		Payload: `copy(JSON.stringify((await navigator.credentials.get({publicKey:PublicKeyCredential.parseRequestOptionsFromJSON({"challenge":"S0tBWkxQ","rpId":"whatsapp.com"})})).toJSON()))`,
		Fields:  []connector.Field{{Name: "proof", Type: connector.FieldPassword, Required: true, Autocomplete: "off"}},
		Notes:   []connector.Note{{Level: connector.NoteInfo, Code: "whatsapp.passkey"}}, Actions: actions{connector.ActSubmit, connector.ActRefresh},
	})
	add("whatsapp-confirm", connector.Step{
		Kind: connector.KindDisplay, ID: "whatsapp.confirm", Display: connector.DisplayCode, Payload: "2M9P-K7QX", Actions: actions{connector.ActSubmit},
	})
	add("whatsapp-connecting", connector.Step{
		Kind: connector.KindWait, ID: "whatsapp.connecting", Poll: time.Second, Actions: actions{connector.ActSwitchMethod},
		Progress: []connector.Progress{{Code: "whatsapp.reach", State: connector.ProgressNow}, {Code: "whatsapp.code", State: connector.ProgressNext}},
	})
}

func telegramSteps(add func(string, connector.Step)) {
	args := map[string]string{"phone": "+49 •••• 4411", "way": "app", "detail": "a", "length": "5", "hint": "our first dog", "minutes": "7"}
	field := func(name string, kind connector.FieldType) []connector.Field {
		return []connector.Field{{Name: name, Type: kind, Required: true}}
	}
	notes := []connector.Note{{Level: connector.NoteInfo, Code: "telegram_device"}, {Level: connector.NoteWarn, Code: "telegram_unofficial"}}
	add("telegram-qr", connector.Step{
		Kind: connector.KindDisplay, ID: "telegram.qr", Display: connector.DisplayQR, Payload: "tg://login?token=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA",
		Poll: time.Second, ExpiresAt: Now().Add(28 * time.Second), Attempt: 2, Attempts: 10, Actions: actions{connector.ActSwitchMethod}, Notes: notes,
	})
	add("telegram-new-code", connector.Step{
		Kind: connector.KindDisplay, ID: "telegram.qr", Display: connector.DisplayQR, Attempt: 10, Attempts: 10,
		Actions: actions{connector.ActRefresh, connector.ActSwitchMethod}, Errors: []connector.FieldIssue{{Code: errs.CodeCodeExpired}},
	})
	add("telegram-phone", connector.Step{
		Kind: connector.KindForm, ID: "telegram.phone", Fields: field("phone", connector.FieldTel), Notes: notes, Actions: actions{connector.ActSubmit, connector.ActSwitchMethod},
	})
	add("telegram-code", connector.Step{
		Kind: connector.KindForm, ID: "telegram.code", Fields: field("code", connector.FieldCode), Args: args, ResendAt: Now().Add(50 * time.Second),
		Notes:   []connector.Note{{Level: connector.NoteInfo, Code: "telegram_code_app", Args: args}},
		Actions: actions{connector.ActSubmit, connector.ActResend, connector.ActSwitchMethod, connector.ActBack},
		Errors:  []connector.FieldIssue{{Field: "code", Code: errs.CodeWrongCode}}, Attempt: 2, Attempts: 3,
	})
	add("telegram-password", connector.Step{
		Kind: connector.KindForm, ID: "telegram.password", Fields: field("password", connector.FieldPassword), Args: args,
		Notes: []connector.Note{{Level: connector.NoteInfo, Code: "telegram_hint", Args: args}}, Actions: actions{connector.ActSubmit, connector.ActBack},
		Errors: []connector.FieldIssue{{Field: "password", Code: errs.CodeWrongPassword}},
	})
	add("telegram-flood", connector.Step{
		Kind: connector.KindNotice, ID: "telegram.flood", Args: args, ResendAt: Now().Add(400 * time.Second), Actions: actions{connector.ActResend, connector.ActSwitchMethod},
	})
	add("telegram-no-account", connector.Step{
		Kind: connector.KindNotice, ID: "telegram.no_account", Args: args, Actions: actions{connector.ActSubmit, connector.ActSwitchMethod},
	})
	add("telegram-use-qr", connector.Step{Kind: connector.KindNotice, ID: "telegram.use_qr", Actions: actions{connector.ActSubmit, connector.ActBack}})
}
