package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/web"
)

// doc is what the description says of a route.
type doc struct {
	id, tag, summary, text string
	params                 []param
	// request is a zero value of the type that describes the body; nil where there is none.
	request  any
	examples map[string]any
	answers  []docAnswer
	// errors are the statuses that this route may answer with besides those that all may.
	errors []int
}

type docAnswer struct {
	status  int
	text    string
	body    any
	example any
}

type param struct {
	name, text, in, pattern string
	enum                    []any
	schema                  *huma.Schema
	max                     int
	example                 any
}

// document is the description as it is served.
type document struct {
	body []byte
	etag string
}

// describe makes the OpenAPI document of the routes.
func (a *API) describe() (document, error) {
	reg := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	o := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Latchkey", Version: a.cfg.Version, Description: overview,
			License: &huma.License{Name: "AGPL-3.0-or-later", Identifier: "AGPL-3.0-or-later"},
		},
		Servers: []*huma.Server{{URL: a.base, Description: "This installation."}},
		Tags: []*huma.Tag{
			{Name: tagLinks, Description: "One-time links that lead an end user through the wizard."},
			{Name: tagAccounts, Description: "Connected mailboxes and profiles, and whether they work."},
			{Name: tagProviderApps, Description: "The OAuth clients that you registered at providers."},
			{Name: tagSignIns, Description: "Sign your end users in by email: a code and a link in one mail."},
			{Name: tagOpenID, Description: "The OpenID provider of your application: its clients and its keys."},
			{Name: tagMail, Description: "Whom login emails come from, their words, and what became of them."},
			{Name: tagWebhooks, Description: "Addresses of yours that are told of events, and the log of what was sent."},
			{Name: tagEvents, Description: "What happened, in order."},
			{Name: tagBranding, Description: "How the pages look that your end users see."},
			{Name: tagApplication, Description: "Your application here."},
		},
		Security: []map[string][]string{{"apiKey": {}}, {"bearer": {}}},
		Components: &huma.Components{
			Schemas: reg,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"apiKey": {Type: "apiKey", In: "header", Name: "X-API-KEY", Description: "The application's API key. Keep it on your backend."},
				"bearer": {Type: "http", Scheme: "bearer", Description: "The same key as a bearer token."},
			},
		},
	}
	for _, rt := range a.routes() {
		o.AddOperation(operation(reg, rt))
	}
	o.Webhooks = map[string]*huma.PathItem{"notification": {Post: notification(reg)}}
	body, err := json.Marshal(o)
	if err != nil {
		return document{}, fmt.Errorf("describe the API: %w", err)
	}
	sum := sha256.Sum256(body)
	return document{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}, nil
}

func operation(reg huma.Registry, rt route) *huma.Operation {
	d := rt.doc
	op := &huma.Operation{
		OperationID: d.id, Method: rt.method, Path: web.StrictPrefix + rt.path, Tags: []string{d.tag},
		Summary: d.summary, Description: d.text, Responses: map[string]*huma.Response{},
	}
	if rt.permission != "" {
		op.Description += "\n\nThe key needs the permission `" + string(rt.permission) + "`."
	}
	for _, p := range d.params {
		op.Parameters = append(op.Parameters, p.describe())
	}
	if rt.creating {
		op.Parameters = append(op.Parameters, idempotencyParam().describe())
	}
	if d.request != nil {
		op.RequestBody = &huma.RequestBody{
			Required: true,
			Content:  jsonContent(requestSchema(reg, d.request), d.examples),
		}
	}
	for _, ans := range d.answers {
		examples := map[string]any{}
		if ans.example != nil {
			examples["answer"] = ans.example
		}
		res := &huma.Response{Description: ans.text, Content: jsonContent(reg.Schema(reflect.TypeOf(ans.body), true, ""), examples)}
		if rt.creating {
			res.Headers = map[string]*huma.Header{"Idempotent-Replayed": {
				Description: "true where this is the kept answer to an earlier request.", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"true"}},
			}}
		}
		op.Responses[strconv.Itoa(ans.status)] = res
	}
	for status, res := range problems(reg, rt) {
		op.Responses[status] = res
	}
	return op
}

// problems are the answers of a route that are errors.
func problems(reg huma.Registry, rt route) map[string]*huma.Response {
	statuses := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusInternalServerError}
	if rt.permission != "" {
		statuses = append(statuses, http.StatusForbidden)
	}
	if rt.creating {
		statuses = append(statuses, http.StatusConflict)
	}
	statuses = append(statuses, rt.doc.errors...)
	slices.Sort(statuses)
	out := map[string]*huma.Response{}
	for _, s := range slices.Compact(statuses) {
		res := &huma.Response{
			Description: problemText(s),
			Content:     jsonContent(reg.Schema(reflect.TypeFor[web.Problem](), true, ""), map[string]any{"problem": exampleProblem(s)}),
		}
		if s == http.StatusTooManyRequests {
			res.Headers = map[string]*huma.Header{"Retry-After": {
				Description: "Seconds to wait.", Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int32"},
			}}
		}
		out[strconv.Itoa(s)] = res
	}
	return out
}

func problemText(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "Something in the request is not right. Every wrong field is named at once."
	case http.StatusUnauthorized:
		return "The API key is missing or wrong."
	case http.StatusForbidden:
		return "The API key lacks a permission; the answer names it."
	case http.StatusNotFound:
		return "There is no such thing in this application."
	case http.StatusConflict:
		return "The request does not go with what is there. The type says why."
	case http.StatusTooManyRequests:
		return "Too many requests."
	case http.StatusServiceUnavailable:
		return "The provider cannot be reached just now."
	}
	return "Our fault. The instance helps the operator to find the log line."
}

func jsonContent(s *huma.Schema, examples map[string]any) map[string]*huma.MediaType {
	m := &huma.MediaType{Schema: s}
	for name, value := range examples {
		if m.Examples == nil {
			m.Examples = map[string]*huma.Example{}
		}
		m.Examples[name] = &huma.Example{Value: value}
	}
	return map[string]*huma.MediaType{"application/json": m}
}

// requestSchema is the schema of a body. Strict routes refuse unknown fields, and it says so.
func requestSchema(reg huma.Registry, v any) *huma.Schema {
	ref := reg.Schema(reflect.TypeOf(v), true, "")
	s := reg.SchemaFromRef(ref.Ref)
	s.AdditionalProperties = false
	return ref
}

func (p param) describe() *huma.Param {
	in := p.in
	if in == "" {
		in = "query"
	}
	s := p.schema
	if s == nil {
		s = &huma.Schema{Type: huma.TypeString, Enum: p.enum, Pattern: p.pattern}
		if p.max > 0 {
			s.MaxLength = &p.max
		}
	}
	return &huma.Param{Name: p.name, In: in, Description: p.text, Required: in == "path", Schema: s, Example: p.example}
}

func pageParams() []param {
	low, high := 1.0, float64(maxLimit)
	return []param{
		{name: "limit", text: "How many to return.", schema: &huma.Schema{Type: huma.TypeInteger, Format: "int32", Minimum: &low, Maximum: &high, Default: defaultLimit}},
		{name: "cursor", text: "The cursor of the page before."},
	}
}

func linkIDParam() param {
	return param{name: "id", in: "path", text: "The link's id.", pattern: "^lnk_[0-9a-z]{26}$", example: exampleLinkID}
}

func accountIDParam() param {
	return param{name: "id", in: "path", text: "The account's id, or your own name for it.", pattern: "^[A-Za-z0-9._~@-]{1,256}$", example: exampleAccountID}
}

func idempotencyParam() param {
	most, least := 255, 1
	return param{
		name: "Idempotency-Key", in: "header",
		text:   "Any text of your own. Sending the same request again with it within 24 hours gives the same answer, and does nothing twice.",
		schema: &huma.Schema{Type: huma.TypeString, MinLength: &least, MaxLength: &most},
	}
}

// notification describes what notify_url receives.
func notification(reg huma.Registry) *huma.Operation {
	return &huma.Operation{
		OperationID: "receiveNotification", Tags: []string{tagLinks}, Summary: "What notify_url receives",
		Description: "Sent to a link's `notify_url`, signed as Standard Webhooks with the application's secret (`webhook-id`, `webhook-timestamp`, " +
			"`webhook-signature`). Answer with any 2xx. Otherwise it is sent again for three days, always with the same `webhook-id`.",
		RequestBody: &huma.RequestBody{Required: true, Content: jsonContent(reg.Schema(reflect.TypeFor[notificationBody](), true, ""), map[string]any{
			"success": members{"status": "CREATION_SUCCESS", "account_id": exampleAccountID, "name": "user_1234", "link_id": exampleLinkID},
		})},
		Responses: map[string]*huma.Response{
			"2XX": {Description: "Received."},
			"410": {Description: "Never send anything here again."},
		},
	}
}

type notificationBody struct {
	Status    string `json:"status" enum:"CREATION_SUCCESS,RECONNECTED,CREATION_FAILED,LINK_EXPIRED" doc:"The last two only where the link asked for them."`
	AccountID string `json:"account_id,omitempty"`
	Name      string `json:"name,omitempty" doc:"As the link was given it."`
	LinkID    string `json:"link_id"`
	Error     string `json:"error,omitempty" doc:"The code of a failure."`
	Test      bool   `json:"test,omitempty"`
}

const overview = `Latchkey connects your end users' accounts. Your backend makes a link, sends the end user there, and is told of the account that came of it.

**Keys.** Send your API key as ` + "`X-API-KEY`" + ` from your backend, never from a browser.

**Errors** all have one shape. Branch on ` + "`type`" + ` and on the ` + "`code`" + ` of fields, never on words. All wrong fields are named at once.

**Lists** have a ` + "`cursor`" + `; give it back as ` + "`?cursor=`" + ` until it is null.

**Repeating.** Send an ` + "`Idempotency-Key`" + ` with requests that make something, and repeat them without fear.

**Other clients.** Everything here is also under ` + "`/api/v1`" + `, in the dialect of existing client libraries: unknown fields are ignored there, and types carry the names that they know.`

// serveDocument answers GET /openapi.json.
func (a *API) serveDocument(w http.ResponseWriter, r *http.Request) {
	d, err := a.document()
	if err != nil {
		web.WriteProblem(w, r, err)
		return
	}
	w.Header().Set("Etag", d.etag)
	w.Header().Set("Cache-Control", "no-cache")
	if r.Header.Get("If-None-Match") == d.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	web.WriteBody(w, r, http.StatusOK, d.body)
}
