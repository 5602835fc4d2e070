package wizardtest

import (
	"latchkey"
	"latchkey/internal/hosted"
)

// reconnectStates are the pages of reconnect URLs.
func reconnectStates() []State {
	page := func(name, lang string, p latchkey.Provider, shown string, st latchkey.AccountStatus, r latchkey.Reason) State {
		return State{Name: name, Lang: lang, Reconnecting: &hosted.Reconnecting{
			Application: app("Northwind CRM"), Provider: p, Shown: shown, Status: st, Reason: r,
		}}
	}
	const ada = "ada.lovelace@studio-lindgren.example"
	out := []State{
		page("reconnect-password", "", latchkey.IMAP, ada, latchkey.AccountCredentials, latchkey.ReasonPasswordChanged),
		page("reconnect-consent", "", latchkey.Google, ada, latchkey.AccountCredentials, latchkey.ReasonConsentRevoked),
		page("reconnect-de", "de", latchkey.Microsoft, ada, latchkey.AccountPermissions, latchkey.ReasonBlocked),
		page("reconnect-fr", "fr", latchkey.IMAP, ada, latchkey.AccountCredentials, latchkey.ReasonAppPassword),
		page("reconnect-es", "es", latchkey.LinkedIn, "Ada Lovelace", latchkey.AccountCredentials, latchkey.ReasonTokenExpired),
		page("reconnect-ar", "ar", latchkey.IMAP, ada, latchkey.AccountCredentials, latchkey.ReasonPasswordChanged),
		page("reconnect-long", "", latchkey.IMAP, "ada@"+longDomain, latchkey.AccountCredentials, latchkey.ReasonIMAPDisabled),
		page("reconnect-works", "", latchkey.IMAP, ada, latchkey.AccountOK, ""),
		page("reconnect-works-ar", "ar", latchkey.IMAP, ada, latchkey.AccountOK, ""),
		page("reconnect-wait", "", latchkey.IMAP, ada, latchkey.AccountConnecting, latchkey.ReasonHostUnreachable),
		page("reconnect-expired", "", "", "", "", ""),
	}
	out[4].Reconnecting.Application.Test = true
	return out
}
