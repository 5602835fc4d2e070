package api

import (
	"encoding/json"

	"latchkey"
)

// typeName is a provider as the caller's dialect names it.
func (c *call) typeName(p latchkey.Provider) string {
	if !c.lenient {
		return string(p)
	}
	switch p {
	case latchkey.IMAP:
		return "MAIL"
	case latchkey.Google:
		return "GOOGLE_OAUTH"
	case latchkey.Microsoft:
		return "OUTLOOK"
	case latchkey.LinkedIn, latchkey.WhatsApp, latchkey.Instagram, latchkey.Telegram, latchkey.Mock:
	}
	return string(p)
}

func (c *call) wishNames(wishes []string) []string {
	out := make([]string, len(wishes))
	for i, w := range wishes {
		out[i] = c.typeName(latchkey.Provider(w))
	}
	return out
}

// connectionParams are the account's public parameters. Existing client libraries want them one
// level down, by kind, and all six of a mailbox's present with numbers for ports.
func (c *call) connectionParams(a latchkey.Account) (object, error) {
	if !c.lenient {
		return object(a.Params), nil
	}
	params := map[string]any{}
	if len(a.Params) > 0 {
		if err := json.Unmarshal(a.Params, &params); err != nil {
			return nil, err
		}
	}
	kind := "im"
	switch a.Provider {
	case latchkey.IMAP:
		kind = "mail"
		for name, empty := range map[string]any{
			"imap_host": "", "imap_port": 0, "imap_user": "", "smtp_host": "", "smtp_port": 0, "smtp_user": "",
		} {
			if v, ok := params[name]; !ok || v == nil {
				params[name] = empty
			}
		}
	case latchkey.Google, latchkey.Microsoft:
		kind = "mail"
		if _, ok := params["username"]; !ok {
			params["username"] = a.Identity
		}
		if _, ok := params["id"]; !ok {
			params["id"] = a.Identity
		}
	case latchkey.LinkedIn, latchkey.WhatsApp, latchkey.Instagram, latchkey.Telegram, latchkey.Mock:
	}
	return json.Marshal(map[string]any{kind: params})
}
