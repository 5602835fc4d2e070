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

// connectionParams are the account's public parameters, by kind, as the connector gave them.
// Existing client libraries want all six of a mailbox's present, with numbers for ports.
func (c *call) connectionParams(a latchkey.Account) (object, error) {
	if !c.lenient {
		return object(a.Params), nil
	}
	kinds := map[string]map[string]any{}
	if len(a.Params) > 0 {
		if err := json.Unmarshal(a.Params, &kinds); err != nil {
			return nil, err
		}
	}
	fill := func(kind string, defaults map[string]any) {
		if kinds[kind] == nil {
			kinds[kind] = map[string]any{}
		}
		for name, v := range defaults {
			if have, ok := kinds[kind][name]; !ok || have == nil {
				kinds[kind][name] = v
			}
		}
	}
	switch a.Provider {
	case latchkey.IMAP:
		fill("mail", map[string]any{
			"imap_host": "", "imap_port": 0, "imap_user": "", "smtp_host": "", "smtp_port": 0, "smtp_user": "",
		})
	case latchkey.Google, latchkey.Microsoft:
		fill("mail", map[string]any{"id": a.Identity, "username": a.Identity})
	case latchkey.LinkedIn, latchkey.WhatsApp, latchkey.Instagram, latchkey.Telegram, latchkey.Mock:
	}
	return json.Marshal(kinds)
}
