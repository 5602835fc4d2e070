package signin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/signin"
	"latchkey/internal/web"
	"latchkey/internal/web/ui"
)

// Provider is each application's OpenID provider.
type Provider interface {
	Issuer(app latchkey.ApplicationID) string
	JWKS(ctx context.Context, app latchkey.ApplicationID) (jose.JSONWebKeySet, error)
	Authorize(ctx context.Context, app latchkey.ApplicationID, q url.Values) (signin.Authorization, error)
	Return(a signin.Authorization, e *signin.OAuthError) string
	Tokens(ctx context.Context, app latchkey.ApplicationID, r signin.TokenRequest) (signin.Tokens, error)
	UserInfo(ctx context.Context, app latchkey.ApplicationID, access string) (signin.UserInfo, error)
	Logout(ctx context.Context, app latchkey.ApplicationID, clientID, uri, state string) (string, error)
}

func (p *Pages) registerOIDC(mux *http.ServeMux) {
	mux.HandleFunc("GET /oidc/{app}/.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /oidc/{app}/jwks", p.jwks)
	mux.HandleFunc("/oidc/{app}/authorize", p.authorize)
	mux.HandleFunc("POST /oidc/{app}/token", p.token)
	mux.HandleFunc("GET /oidc/{app}/userinfo", p.userInfo)
	mux.HandleFunc("POST /oidc/{app}/userinfo", p.userInfo)
	mux.HandleFunc("GET /oidc/{app}/end_session", p.endSession)
	mux.HandleFunc("POST /oidc/{app}/end_session", p.endSession)
	for _, path := range []string{"token", "userinfo", "jwks", ".well-known/openid-configuration"} {
		mux.HandleFunc("OPTIONS /oidc/{app}/"+path, preflight)
	}
}

// open lets programs in browsers read an answer that depends on no cookie.
func open(h http.Header) { h.Set("Access-Control-Allow-Origin", "*") }

func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	open(h)
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// known finds the application whose provider is spoken to.
func (p *Pages) known(w http.ResponseWriter, r *http.Request) (latchkey.Application, bool) {
	app, err := p.application(r, r.PathValue("app"))
	if err != nil {
		web.WriteProblem(w, r, err)
		return app, false
	}
	return app, true
}

// metadata is OpenID Connect Discovery 1.0 §3, with RFC 8414 §2 and RFC 9207 §3.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	Scopes                []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	Algorithms            []string `json:"id_token_signing_alg_values_supported"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	Claims                []string `json:"claims_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	Locales               []string `json:"ui_locales_supported"`
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported"`
	ClaimsParameter       bool     `json:"claims_parameter_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
}

func (p *Pages) discovery(w http.ResponseWriter, r *http.Request) {
	app, ok := p.known(w, r)
	if !ok {
		return
	}
	iss := p.cfg.Provider.Issuer(app.ID)
	open(w.Header())
	w.Header().Set("Cache-Control", "public, max-age=300")
	web.WriteJSON(w, r, http.StatusOK, metadata{
		Issuer: iss, AuthorizationEndpoint: iss + "/authorize", TokenEndpoint: iss + "/token", UserinfoEndpoint: iss + "/userinfo",
		EndSessionEndpoint: iss + "/end_session", JWKSURI: iss + "/jwks", Scopes: []string{"openid", "email"},
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, GrantTypes: []string{"authorization_code"}, SubjectTypes: []string{"public"},
		Algorithms: []string{signin.AlgRS256, signin.AlgES256}, AuthMethods: []string{"client_secret_basic", "client_secret_post", "none"},
		Claims:           []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "at_hash", "email", "email_verified"},
		ChallengeMethods: []string{"S256"}, Locales: p.words.Languages(), IssParameter: true,
	})
}

func (p *Pages) jwks(w http.ResponseWriter, r *http.Request) {
	app, ok := p.known(w, r)
	if !ok {
		return
	}
	set, err := p.cfg.Provider.JWKS(r.Context(), app.ID)
	if err != nil {
		web.WriteProblem(w, r, err)
		return
	}
	open(w.Header())
	w.Header().Set("Cache-Control", "public, max-age=300")
	web.WriteJSON(w, r, http.StatusOK, set)
}

// authorize asks for an address on behalf of a client. A POST with an address is our own form; any other
// POST is a client's request that came as a form (Core 1.0 §3.1.2.1).
func (p *Pages) authorize(w http.ResponseWriter, r *http.Request) {
	if err := method(r); err != nil {
		w.Header().Set("Allow", "GET, HEAD, POST")
		p.fail(w, r, latchkey.Application{}, err)
		return
	}
	app, err := p.application(r, r.PathValue("app"))
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	if r.Method != http.MethodPost {
		p.request(w, r, app, nil)
		return
	}
	values, err := form(r)
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	if !values.Has("email") {
		see(w, "/oidc/"+url.PathEscape(string(app.ID))+"/authorize?"+values.Encode())
		return
	}
	p.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.request(w, r, app, values) })).ServeHTTP(w, r)
}

// request checks what a client asks, and shows the page or takes its answer.
func (p *Pages) request(w http.ResponseWriter, r *http.Request, app latchkey.Application, answer url.Values) {
	q := r.URL.Query()
	q.Del("locale") // ours: the reader's choice of a language
	a, err := p.cfg.Provider.Authorize(r.Context(), app.ID, q)
	if refused, ok := errors.AsType[*signin.OAuthError](err); ok {
		ui.PageHeaders(w.Header())
		http.Redirect(w, r, p.cfg.Provider.Return(a, refused), http.StatusFound) // registered by the client, exactly
		return
	}
	if err != nil {
		if errs.Is(err, errs.CodeNotFound) {
			err = errs.InvalidFields(errs.FieldError{Field: "client_id", Code: errs.CodeInvalidURL, Message: "There is no such client."})
		}
		p.fail(w, r, app, err)
		return
	}
	if answer == nil {
		p.ask(w, r, app, http.StatusOK, a.LoginHint, "", listed(a.Locales))
		return
	}
	p.begin(w, r, app, signin.Request{ApplicationID: app.ID, RedirectURI: a.RedirectURI, State: a.State, OIDC: &a.OIDC}, answer.Get("email"))
}

type oauthProblem struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// refuse answers a client in the way of OAuth (RFC 6749 §5.2, RFC 6750 §3).
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refused, ok := errors.AsType[*signin.OAuthError](err)
	if !ok {
		e := errs.As(err)
		status := web.StatusOf(e)
		if status >= http.StatusInternalServerError {
			p.cfg.Log.ErrorContext(r.Context(), "oidc failed", slog.String("error", err.Error()), slog.String("request_id", web.InfoOf(r.Context()).RequestID))
			web.WriteJSON(w, r, status, oauthProblem{Error: "server_error", Description: "Something went wrong on our side."})
			return
		}
		refused = &signin.OAuthError{Code: "invalid_request", Description: "The request cannot be read."}
	}
	status := http.StatusBadRequest
	switch refused.Code {
	case "invalid_client":
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Basic realm="latchkey"`)
	case "invalid_token":
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Bearer realm="latchkey", error="invalid_token"`)
	}
	web.WriteJSON(w, r, status, oauthProblem{Error: refused.Code, Description: refused.Description})
}

func (p *Pages) token(w http.ResponseWriter, r *http.Request) {
	open(w.Header())
	app, ok := p.known(w, r)
	if !ok {
		return
	}
	w.Header().Set("Pragma", "no-cache") // Core 1.0 §3.1.3.3
	values, err := form(r)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	for _, all := range values {
		if len(all) > 1 {
			p.refuse(w, r, &signin.OAuthError{Code: "invalid_request", Description: "A parameter was sent twice."})
			return
		}
	}
	req := signin.TokenRequest{
		ClientID: values.Get("client_id"), ClientSecret: values.Get("client_secret"), SecretSent: values.Has("client_secret"),
		GrantType: values.Get("grant_type"), Code: values.Get("code"), RedirectURI: values.Get("redirect_uri"), Verifier: values.Get("code_verifier"),
	}
	if id, pass, ok := r.BasicAuth(); ok {
		// RFC 6749 §2.3.1: both are form-encoded first, and no client proves itself twice.
		id, idErr := url.QueryUnescape(id)
		pass, passErr := url.QueryUnescape(pass)
		if req.SecretSent || idErr != nil || passErr != nil || req.ClientID != "" && req.ClientID != id {
			p.refuse(w, r, &signin.OAuthError{Code: "invalid_request", Description: "Prove the client in one way."})
			return
		}
		req.ClientID, req.ClientSecret, req.SecretSent = id, pass, true
	}
	tokens, err := p.cfg.Provider.Tokens(r.Context(), app.ID, req)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	web.WriteJSON(w, r, http.StatusOK, tokens)
}

func (p *Pages) userInfo(w http.ResponseWriter, r *http.Request) {
	open(w.Header())
	app, ok := p.known(w, r)
	if !ok {
		return
	}
	token, err := bearerOf(r)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	if token == "" {
		// RFC 6750 §3.1: who has not tried to prove anything is told how, and no error.
		w.Header().Set("WWW-Authenticate", `Bearer realm="latchkey"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	info, err := p.cfg.Provider.UserInfo(r.Context(), app.ID, token)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	web.WriteJSON(w, r, http.StatusOK, info)
}

// bearerOf reads the access token from the header, or from a form (RFC 6750 §2.1 and §2.2); never from a
// URL. Both at once are refused.
func bearerOf(r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		token = ""
	}
	token = strings.TrimSpace(token)
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return token, nil
	}
	values, err := form(r)
	if err != nil {
		return "", err
	}
	sent := values["access_token"]
	if len(sent) > 1 || len(sent) == 1 && token != "" {
		return "", &signin.OAuthError{Code: "invalid_request", Description: "Send the access token in one way."}
	}
	if len(sent) == 1 {
		token = sent[0]
	}
	return token, nil
}

// endSession takes a browser that was sent to sign out (RP-Initiated Logout 1.0 §2). No session is kept
// here, so nothing is changed.
func (p *Pages) endSession(w http.ResponseWriter, r *http.Request) {
	app, err := p.application(r, r.PathValue("app"))
	if err != nil {
		p.fail(w, r, app, err)
		return
	}
	q := r.URL.Query()
	if r.Method == http.MethodPost {
		if q, err = form(r); err != nil {
			p.fail(w, r, app, err)
			return
		}
	}
	client, hinted := q.Get("client_id"), audienceOf(q.Get("id_token_hint"))
	if client == "" {
		client = hinted
	}
	if hinted != "" && client != hinted {
		// RP-Initiated Logout 1.0 §2: the two must name one client.
		client = ""
	}
	to, err := p.cfg.Provider.Logout(r.Context(), app.ID, client, q.Get("post_logout_redirect_uri"), q.Get("state"))
	if err != nil {
		if errs.Is(err, errs.CodeNotFound) {
			err = errs.InvalidFields(errs.FieldError{Field: "client_id", Code: errs.CodeInvalidURL, Message: "There is no such client."})
		}
		p.fail(w, r, app, err)
		return
	}
	if to != "" {
		ui.PageHeaders(w.Header())
		http.Redirect(w, r, to, http.StatusFound) // one of the client's own, exactly
		return
	}
	v, s := p.page(r, app)
	v.Step, v.Mark, v.Heading, v.Lead = "logout", "good", s.parts("logout.title"), s.parts("logout.text")
	p.write(w, r, http.StatusOK, v, s)
}

// audienceOf reads whom a token was made for. It is not verified: it only names the client whose
// registered addresses are looked at, as client_id does, which anybody may send.
func audienceOf(token string) string {
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return ""
	}
	return signin.Audience(parsed.UnsafePayloadWithoutVerification())
}
