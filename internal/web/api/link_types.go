package api

import (
	"encoding/json"
	"strconv"

	"latchkey"
)

// linkRequest describes the body of POST /links; linkSpec reads it.
type linkRequest struct {
	Type               string            `json:"type,omitempty" enum:"create,reconnect" default:"create" doc:"create connects a new account; reconnect mends the one named by reconnect_account."`
	Providers          wish              `json:"providers,omitzero" doc:"What the end user may choose from: one, a list, or a wildcard. Required to create."`
	ReconnectAccount   string            `json:"reconnect_account,omitempty" doc:"The account to mend: its acc_ id or your own name for it. Required to reconnect."`
	ExpiresOn          string            `json:"expiresOn,omitempty" format:"date-time" doc:"When the link ends: a minute to thirty days ahead. Default: in one hour. expires_on is understood as well."`
	Name               string            `json:"name,omitempty" maxLength:"1024" doc:"Your own id for your user. It comes back with notifications and is never shown to the end user."`
	AccountID          string            `json:"account_id,omitempty" maxLength:"256" pattern:"^[A-Za-z0-9._~@-]{1,256}$" doc:"Your own name for the account that will be made. It may be used wherever an account id may."`
	SuccessRedirectURL string            `json:"success_redirect_url,omitempty" format:"uri" maxLength:"2048" doc:"Where the end user goes after connecting. account_id and link_id are added to its query."`
	FailureRedirectURL string            `json:"failure_redirect_url,omitempty" format:"uri" maxLength:"2048" doc:"Where the end user goes after giving up or failing. error and link_id are added to its query."`
	NotifyURL          string            `json:"notify_url,omitempty" format:"uri" maxLength:"2048" doc:"Where we post the outcome, signed as Standard Webhooks. Trust this, not the redirect."`
	NotifyFailures     bool              `json:"notify_failures,omitempty" doc:"Also notify of tries that failed and of the link's expiry."`
	Email              string            `json:"email,omitempty" format:"email" doc:"Filled in for the end user, who may change it."`
	NotifyEmail        string            `json:"notify_email,omitempty" format:"email" doc:"Kept with the account: where its end user is asked to reconnect when it breaks, in the link's locale, if the application has that switched on."`
	ExpectedIdentity   string            `json:"expected_identity,omitempty" maxLength:"320" doc:"The only account that will be accepted: an address, phone number or profile id."`
	AllowServerChange  bool              `json:"allow_server_change,omitempty" doc:"Let the end user choose other mail servers on a pinned or reconnect link."`
	Locale             string            `json:"locale,omitempty" maxLength:"35" doc:"Language of the pages (BCP 47). Default: what the browser asks for."`
	Metadata           map[string]string `json:"metadata,omitempty" maxProperties:"50" doc:"Up to 50 strings of yours, kept with the link and its account."`
	BypassSuccess      bool              `json:"bypass_success_screen,omitempty" doc:"Send the end user straight to success_redirect_url."`
	ProxyField
	APIURL string `json:"api_url,omitempty" format:"uri" doc:"The API that you call. Advisory: another host than ours adds a warning."`
}

// formRequest describes the body of POST /authentication/form; formSpec reads it.
type formRequest struct {
	Account        *string `json:"account,omitempty" nullable:"true" maxLength:"256" pattern:"^[A-Za-z0-9._~@-]{0,256}$" doc:"Your own name for the account. Left out, null or empty: we make an id."`
	Name           string  `json:"name,omitempty" maxLength:"256" doc:"The person's display name, filled in."`
	Email          string  `json:"email,omitempty" format:"email" doc:"Filled in; the end user may change it."`
	RedirectURL    string  `json:"redirectUrl" format:"uri" maxLength:"2048" doc:"Where the end user goes after connecting. account and state are added to its query."`
	Type           string  `json:"type,omitempty" doc:"imap, or the id of a provider app (pap_…), to skip the choice."`
	ExpectedEmail  string  `json:"expectedEmail,omitempty" format:"email" doc:"The only mailbox that will be accepted."`
	Delegated      flag    `json:"delegated,omitzero" doc:"The mailbox is shared: the end user signs in as somebody else."`
	Path           texts   `json:"path,omitzero" doc:"Folders that your application watches. Stored and shown."`
	Subconnections texts   `json:"subconnections,omitzero" doc:"Further folders with a connection of their own. Stored and shown."`
	SyncFrom       *string `json:"syncFrom,omitempty" nullable:"true" format:"date-time" doc:"Stored and shown."`
	NotifyFrom     *string `json:"notifyFrom,omitempty" nullable:"true" format:"date-time" doc:"Stored and shown."`
}

// HostedAuthURL is a new link.
type hostedAuthURL struct {
	Object    string    `json:"object" enum:"HostedAuthURL"`
	URL       string    `json:"url" format:"uri" doc:"Send the end user here, as a whole page, never in a frame. It works once, and is shown here only."`
	ID        string    `json:"id" doc:"The link's id, for GET /v1/links/{id}."`
	ExpiresOn stamp     `json:"expires_on"`
	Warnings  []warning `json:"warnings" nullable:"false" doc:"What we understood, but would do otherwise."`
	Test      bool      `json:"test,omitempty" doc:"Present and true in test applications."`
}

// appendJSON spares the hottest answer of the API the cost of reflection. Only url could hold
// characters that need escapes, and is quoted by encoding/json.
func (h hostedAuthURL) appendJSON(b []byte) []byte {
	b = append(b, `{"object":"HostedAuthURL","url":`...)
	b = appendString(b, h.URL)
	b = append(b, `,"id":"`...)
	b = append(b, h.ID...)
	b = append(b, `","expires_on":"`...)
	b = append(b, h.ExpiresOn...)
	b = append(b, `","warnings":[`...)
	for i, w := range h.Warnings {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"code":`...)
		b = appendString(b, w.Code)
		b = append(b, `,"message":`...)
		b = appendString(b, w.Message)
		b = append(b, '}')
	}
	b = append(b, ']')
	if h.Test {
		b = append(b, `,"test":`...)
		b = strconv.AppendBool(b, h.Test)
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil { // strings always marshal
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

type warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// formURL is the answer to POST /authentication/form.
type formURL struct {
	URL string `json:"url" format:"uri" doc:"Send the end user here. It works once, for one hour."`
}

// link is a link as it is read.
type link struct {
	Object      string            `json:"object" enum:"Link"`
	ID          string            `json:"id"`
	Type        string            `json:"type" enum:"create,reconnect"`
	Status      string            `json:"status" enum:"created,in_progress,completed,failed,canceled,expired" doc:"failed and canceled say how the last try ended: the link can still be used."`
	Name        *string           `json:"name" doc:"Your own id for your user, as it was given."`
	Providers   []string          `json:"providers" nullable:"false"`
	Reconnect   *string           `json:"reconnect_account,omitempty" nullable:"false" doc:"The account that the link mends."`
	ExternalID  *string           `json:"external_id,omitempty" nullable:"false" doc:"Your own name for the account to be made."`
	CreatedAt   stamp             `json:"created_at"`
	ExpiresOn   stamp             `json:"expires_on"`
	AccountID   *string           `json:"account_id" doc:"The account that came of it, once completed."`
	LastFailure *string           `json:"last_failure" doc:"The code with which the last try ended."`
	OpenedCount int64             `json:"opened_count" minimum:"0" doc:"How often the page was opened; a best effort."`
	Metadata    map[string]string `json:"metadata"`
	Form        *formOptions      `json:"form,omitempty" doc:"What the form endpoint was given to keep."`
	KeyID       *string           `json:"key_id" doc:"The key that made the link."`
	Test        bool              `json:"test,omitempty"`
	Events      []linkEvent       `json:"events,omitempty" nullable:"false" doc:"What happened, oldest first. In GET /v1/links/{id} only."`
}

type formOptions struct {
	Delegated      bool     `json:"delegated"`
	Path           []string `json:"path" nullable:"false"`
	Subconnections []string `json:"subconnections" nullable:"false"`
	SyncFrom       *stamp   `json:"syncFrom"`
	NotifyFrom     *stamp   `json:"notifyFrom"`
}

type linkEvent struct {
	Type string `json:"type" doc:"The event's type, such as link.started or flow.step_reached."`
	At   stamp  `json:"at"`
	Step string `json:"step,omitempty" doc:"The step's id, such as imap.password."`
	Code string `json:"code,omitempty" doc:"The code of what went wrong."`
}

type linkList struct {
	Object string  `json:"object" enum:"LinkList"`
	Items  []link  `json:"items" nullable:"false"`
	Cursor *string `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

func (c *call) link(l latchkey.Link) link {
	t := l.Terms
	out := link{
		Object: "Link", ID: string(l.ID), Type: string(l.Type), Status: string(l.Status), Name: orNull(l.Name),
		Providers: c.wishNames(t.Providers), Reconnect: orNull(string(t.ReconnectAccount)), ExternalID: orNull(t.ExternalID),
		CreatedAt: at(l.CreatedAt), ExpiresOn: at(l.ExpiresAt), AccountID: orNull(string(l.AccountID)),
		LastFailure: orNull(l.LastFailure), OpenedCount: l.OpenedCount, Metadata: orEmpty(t.Metadata), Test: l.Test,
		KeyID: orNull(string(l.KeyID)),
	}
	if l.Dialect == latchkey.DialectForm {
		out.Form = &formOptions{
			Delegated: t.Delegated, Path: orNone(t.Path), Subconnections: orNone(t.Subconnections),
			SyncFrom: optional(t.SyncFrom), NotifyFrom: optional(t.NotifyFrom),
		}
	}
	return out
}

func (c *call) linkEvents(l latchkey.Link, events []latchkey.Event) []linkEvent {
	// Making a link is not written down as an event of its own: its row says when.
	out := make([]linkEvent, 1, len(events)+1)
	out[0] = linkEvent{Type: string(latchkey.EventLinkCreated), At: at(l.CreatedAt)}
	for _, e := range events {
		if e.Type == latchkey.EventLinkCreated {
			continue
		}
		var data struct {
			Step string `json:"step"`
			Code string `json:"code"`
		}
		if len(e.Data) > 0 && json.Unmarshal(e.Data, &data) != nil {
			data.Step, data.Code = "", ""
		}
		out = append(out, linkEvent{Type: string(e.Type), At: at(e.CreatedAt), Step: data.Step, Code: data.Code})
	}
	return out
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func orNone(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
