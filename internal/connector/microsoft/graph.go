package microsoft

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"latchkey/internal/connector"
	"latchkey/internal/connector/oauthflow"
)

// profile asks Graph whose mailbox it is, and opens its inbox. An address in mail is an administrator's
// to write; only a mailbox that opens makes it more than that.
func (c *Connector) profile(ctx context.Context, h *oauthflow.HTTP, app connector.App, s oauthflow.Secret, p oauthflow.Person) (oauthflow.Person, error) {
	base := c.graph(app) + "/v1.0"
	if s.Shared || s.Kind != "" {
		if s.Mailbox == "" {
			return oauthflow.Person{}, oauthflow.NewError(oauthflow.ProblemWrongType, "no mailbox is named")
		}
		if err := inbox(ctx, h, base+"/users/"+url.PathEscape(s.Mailbox), s.AccessToken); err != nil {
			return oauthflow.Person{}, err
		}
		p.Email, p.Aliases = s.Mailbox, []string{s.Mailbox}
		return p, nil
	}
	a, err := h.Get(ctx, base+"/me?$select=id,displayName,mail,userPrincipalName", s.AccessToken)
	if err != nil {
		return oauthflow.Person{}, err
	}
	if a.Status != http.StatusOK {
		return oauthflow.Person{}, refused(a)
	}
	var me struct {
		ID   string `json:"id"`
		Name string `json:"displayName"`
		Mail string `json:"mail"`
		UPN  string `json:"userPrincipalName"`
	}
	if err := a.JSON(&me); err != nil {
		return oauthflow.Person{}, err
	}
	if err := inbox(ctx, h, base+"/me", s.AccessToken); err != nil {
		return oauthflow.Person{}, err
	}
	p.Aliases = nil
	for _, address := range []string{me.Mail, me.UPN} {
		if address = strings.ToLower(strings.TrimSpace(address)); strings.Contains(address, "@") {
			p.Aliases = append(p.Aliases, address)
		}
	}
	if len(p.Aliases) == 0 {
		return oauthflow.Person{}, oauthflow.NewError(oauthflow.ProblemWrongType, "the account has no address")
	}
	p.Email = p.Aliases[0]
	if p.Name == "" {
		p.Name = me.Name
	}
	if p.ID == "" {
		p.ID = me.ID
	}
	return p, nil
}

func inbox(ctx context.Context, h *oauthflow.HTTP, user, token string) error {
	a, err := h.Get(ctx, user+"/mailFolders/inbox?$select=id", token)
	switch {
	case err != nil:
		return err
	case a.Status == http.StatusOK:
		return nil
	default:
		return refused(a)
	}
}

// refused: 404 (MailboxNotEnabledForRESTAPI) is signed in, and no mailbox.
func refused(a oauthflow.Answer) error {
	if a.Status == http.StatusNotFound {
		return oauthflow.NewError(oauthflow.ProblemWrongType, "the account has no mailbox")
	}
	return oauthflow.Refused(a)
}

// unattended gets a token with the client's own credentials (RFC 6749 §4.4). An administrator has
// allowed the client into the mailboxes; the tenant has to be named.
func (c *Connector) unattended(ctx context.Context, f *oauthflow.Flow, app connector.App, mailbox string) (oauthflow.Secret, error) {
	switch strings.ToLower(app.Tenant) {
	case "", "common", "organizations", "consumers":
		return oauthflow.Secret{}, oauthflow.NewError(oauthflow.ProblemTenant, "without a person, the client has to name its tenant")
	}
	scope := "https://outlook.office365.com/.default"
	if cl := cloudOf(app); app.Protocol == "api" {
		scope = cl.Graph + "/.default"
	} else if cl != Clouds()["global"] {
		scope = cl.Outlook + "/.default"
	}
	s, err := f.Grant(ctx, app, oauthflow.KindClientCredentials, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app.ClientID}, "client_secret": {app.ClientSecret}, "scope": {scope},
	})
	s.Mailbox, s.Scope = mailbox, ""
	return s, err
}
