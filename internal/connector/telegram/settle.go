package telegram

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/gotd/td/tg"

	"latchkey"
	"latchkey/internal/connector"
)

// params is what is shown of an account.
type params struct {
	IM struct {
		ID       string `json:"id"`
		Username string `json:"username,omitempty"`
		Phone    string `json:"phone,omitempty"`
		// Proxy is shown without who may use it.
		Proxy *latchkey.ProxyShown `json:"proxy,omitempty"`
	} `json:"im"`
}

// grant is the end: a session that is somebody's. Telegram said whose.
func (c *Connector) grant(u *tg.User, s state) connector.Turn {
	var p params
	p.IM.ID, p.IM.Username = strconv.FormatInt(u.ID, 10), u.Username
	p.IM.Proxy = s.Proxy.Shown()
	if u.Phone != "" {
		p.IM.Phone = masked("+" + u.Phone)
	}
	public, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings always encode
	}
	secret, err := json.Marshal(credential{Session: s.Session, APIID: s.API.ID, Device: s.Device, User: u.ID, Proxy: s.Proxy})
	if err != nil {
		panic(err) // as above
	}
	t := connector.Turn{Grant: &connector.Grant{
		Identity: p.IM.ID, Proof: latchkey.ProofProvider, Name: nameOf(u), Params: public, Secret: secret,
		Scopes:  c.Describe().Scopes,
		Sources: []latchkey.Source{{ID: "TELEGRAM", Status: latchkey.AccountOK}},
	}}
	if s.Prior == p.IM.ID && len(s.PriorSecret) > 0 {
		// The session that this one replaces would stay in the list on the phone for ever.
		t.Unused = &connector.Grant{Identity: s.Prior, Secret: s.PriorSecret}
	}
	return t
}

func nameOf(u *tg.User) string {
	name := cleanHint(strings.TrimSpace(u.FirstName + " " + u.LastName))
	if name == "" && u.Username != "" {
		name = "@" + u.Username
	}
	return name
}

// bucketOf names a counter without saying whose it is.
func bucketOf(application, phone string) string {
	sum := sha256.Sum256([]byte(application + "|" + phone))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
