package signin

import (
	"net/http"

	"latchkey/internal/signin"
	"latchkey/internal/web"
)

// BeginOperator begins a sign-in to the installation itself and binds it to this browser. It returns the
// page that goes on, which in the end leads to back with a grant. The answer is alike for every address.
func (p *Pages) BeginOperator(w http.ResponseWriter, r *http.Request, email, back string) (string, error) {
	v, err := p.cfg.SignIns.Begin(r.Context(), signin.Request{
		Email: email, Locale: p.locale(r), Device: web.Device(r.UserAgent()), RedirectURI: back,
		By: signin.By{Browser: p.bind(w, r), Network: network(r), Familiar: p.familiar(r)},
	})
	if err != nil {
		return "", err
	}
	return p.self(r, v.ID, ""), nil
}

// EndOperator exchanges the grant for the canonical address that was proved, once, and only in the browser
// that began: a grant in a link of somebody else's would sign the reader in as them.
func (p *Pages) EndOperator(r *http.Request, grant string) (string, error) {
	v, err := p.cfg.SignIns.Redeem(r.Context(), "", grant, signin.By{Browser: p.browser(r)})
	return v.Address, err
}
