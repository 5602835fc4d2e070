package instagram

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"latchkey/internal/connector"
	"latchkey/internal/connector/oauthflow"
)

// day is the age from which a long token can be renewed.
const day = 24 * time.Hour

// exchange turns a code into a token of an hour, and that into one of sixty days.
func (c *Connector) exchange(ctx context.Context, h *oauthflow.HTTP, app connector.App, code, callbackURL string) (oauthflow.Secret, error) {
	a, err := h.PostForm(ctx, c.at("api")+"/oauth/access_token", url.Values{
		"client_id": {app.ClientID}, "client_secret": {app.ClientSecret}, "grant_type": {"authorization_code"},
		"redirect_uri": {callbackURL}, "code": {code},
	})
	if err != nil {
		return oauthflow.Secret{}, err
	}
	if a.Status != http.StatusOK {
		return oauthflow.Secret{}, oauthflow.ErrorIn(a)
	}
	short, err := readShort(a)
	if err != nil {
		return oauthflow.Secret{}, err
	}
	s, err := c.long(ctx, h, c.at("graph")+"/access_token", url.Values{
		"grant_type": {"ig_exchange_token"}, "client_secret": {app.ClientSecret}, "access_token": {short.Token},
	})
	if err != nil {
		return oauthflow.Secret{}, err
	}
	s.Subject, s.Scope = string(short.User), strings.Join(short.Permissions, " ")
	return s, nil
}

type shortToken struct {
	Token       string      `json:"access_token"`
	User        identifier  `json:"user_id"`
	Permissions permissions `json:"permissions"`
}

// readShort reads both forms of the answer: the fields themselves, or a list of one in "data".
func readShort(a oauthflow.Answer) (shortToken, error) {
	var both struct {
		shortToken

		Data []shortToken `json:"data"`
	}
	if err := a.JSON(&both); err != nil {
		return shortToken{}, err
	}
	t := both.shortToken
	if t.Token == "" && len(both.Data) == 1 {
		t = both.Data[0]
	}
	if t.Token == "" {
		return shortToken{}, oauthflow.NewError(oauthflow.ProblemUnavailable, "the answer has no token")
	}
	return t, nil
}

// identifier is a number of 17 digits, more than a float can hold, or a string.
type identifier string

func (i *identifier) UnmarshalJSON(b []byte) error {
	*i = identifier(strings.Trim(string(b), `"`))
	return nil
}

// permissions are a list, or a string with commas.
type permissions []string

func (p *permissions) UnmarshalJSON(b []byte) error {
	var list []string
	if json.Unmarshal(b, &list) == nil {
		*p = list
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*p = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	return nil
}

// long gets a token of sixty days. Instagram wants secrets in the address: it is never logged.
func (c *Connector) long(ctx context.Context, h *oauthflow.HTTP, address string, q url.Values) (oauthflow.Secret, error) {
	a, err := h.Get(ctx, address+"?"+q.Encode(), "")
	if err != nil {
		return oauthflow.Secret{}, err
	}
	if a.Status != http.StatusOK {
		return oauthflow.Secret{}, oauthflow.ErrorIn(a)
	}
	var t struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"`
	}
	if err := a.JSON(&t); err != nil {
		return oauthflow.Secret{}, err
	}
	if t.Token == "" {
		return oauthflow.Secret{}, oauthflow.NewError(oauthflow.ProblemUnavailable, "the answer has no token")
	}
	seconds, _ := t.Expires.Int64() // what is no number is the usual time
	now := c.Now()
	return oauthflow.Secret{AccessToken: t.Token, TokenType: "Bearer", IssuedAt: now, ExpiresAt: now.Add(oauthflow.Life(seconds))}, nil
}

// renew gets another sixty days. A token younger than a day cannot be renewed and need not be; one
// that has ended cannot be renewed any more.
func (c *Connector) renew(ctx context.Context, h *oauthflow.HTTP, _ connector.App, s oauthflow.Secret) (oauthflow.Secret, error) {
	now := c.Now()
	switch {
	case !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt):
		return oauthflow.Secret{}, oauthflow.Expired()
	case now.Before(s.IssuedAt.Add(day)):
		return s, nil
	}
	renewed, err := c.long(ctx, h, c.at("graph")+"/refresh_access_token", url.Values{
		"grant_type": {"ig_refresh_token"}, "access_token": {s.AccessToken},
	})
	if err != nil {
		return oauthflow.Secret{}, err
	}
	renewed.Subject, renewed.Scope = s.Subject, s.Scope
	return renewed, nil
}

// profile asks whose account it is. Only professional accounts can be connected.
func (c *Connector) profile(ctx context.Context, h *oauthflow.HTTP, _ connector.App, s oauthflow.Secret, p oauthflow.Person) (oauthflow.Person, error) {
	a, err := h.Get(ctx, c.at("graph")+"/me?fields=id,user_id,username,name,account_type", s.AccessToken)
	if err != nil {
		return oauthflow.Person{}, err
	}
	if a.Status != http.StatusOK {
		return oauthflow.Person{}, oauthflow.ErrorIn(a)
	}
	var me struct {
		ID       identifier `json:"id"`
		User     identifier `json:"user_id"`
		Username string     `json:"username"`
		Name     string     `json:"name"`
		Type     string     `json:"account_type"`
	}
	if err := a.JSON(&me); err != nil {
		return oauthflow.Person{}, err
	}
	switch {
	case me.User == "" || me.User == "null":
		return oauthflow.Person{}, oauthflow.NewError(oauthflow.ProblemUnavailable, "the profile has no id")
	case s.Subject != "" && s.Subject != string(me.User) && s.Subject != string(me.ID):
		return oauthflow.Person{}, oauthflow.NewError(oauthflow.ProblemForged, "the profile is somebody else's")
	case strings.EqualFold(me.Type, "PERSONAL"):
		return oauthflow.Person{}, oauthflow.NewError(oauthflow.ProblemWrongType, "it is a personal account")
	}
	p.ID, p.Username, p.Name = string(me.User), me.Username, me.Name
	return p, nil
}
