package idp

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// page asks who it is and what is allowed.
func page() *template.Template {
	return template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in – {{.Kind}}</title>
<meta name="viewport" content="width=device-width"><h1>{{.Client}} wants to use your account</h1>
<form method="post">{{range $k, $v := .Hidden}}<input type="hidden" name="{{$k}}" value="{{$v}}">{{end}}
<p><label>Account <select name="idp_user">{{range .Users}}<option value="{{.}}"{{if eq . $.Chosen}} selected{{end}}>{{.}}</option>{{end}}</select></label></p>
<fieldset><legend>Permissions</legend>{{range .Scopes}}<p><label><input type="checkbox" name="idp_scope" value="{{.}}" checked> {{.}}</label></p>{{end}}</fieldset>
<button name="idp_decision" value="approve">Allow</button> <button name="idp_decision" value="deny">Cancel</button></form>`))
}

// authorize is the page, and what comes of it. What is wrong with the client is shown here and never
// sent anywhere (RFC 6749 §4.1.2.1).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "bad form", http.StatusBadRequest)
		return
	}
	q := r.Form
	client, ok := s.client(q.Get("client_id"))
	if !ok {
		http.Error(w, "AADSTS700016 invalid_client: The OAuth client was not found.", http.StatusUnauthorized)
		return
	}
	if !slices.Contains(client.RedirectURIs, q.Get("redirect_uri")) {
		status := http.StatusBadRequest
		if s.cfg.Kind == LinkedIn {
			status = http.StatusUnauthorized
		}
		http.Error(w, "AADSTS50011 redirect_uri_mismatch", status)
		return
	}
	if reason := s.wrongRequest(q); reason != "" {
		s.back(w, r, q, url.Values{"error": {"invalid_request"}, "error_description": {reason}})
		return
	}
	k := s.knob()
	switch {
	case k.AuthorizeError != "":
		v := url.Values{"error": {k.AuthorizeError}}
		if k.AuthorizeDescription != "" {
			v.Set("error_description", k.AuthorizeDescription)
		}
		if k.AuthorizeReason != "" {
			v.Set("error_reason", k.AuthorizeReason)
		}
		s.back(w, r, q, v)
	case k.Auto:
		user, ok := s.autoUser(k, q)
		if !ok {
			http.Error(w, "no such user", http.StatusBadRequest)
			return
		}
		s.approve(w, r, q, user, s.scopesOf(q))
	case r.Method == http.MethodPost && q.Get("idp_decision") == "deny":
		v := url.Values{"error": {"access_denied"}}
		switch s.cfg.Kind {
		case LinkedIn:
			v.Set("error", "user_cancelled_authorize")
		case Instagram:
			v.Set("error_reason", "user_denied")
		case Microsoft:
			v.Set("error_description", "AADSTS65004: User declined to consent to access the app.")
		case Google:
		}
		s.back(w, r, q, v)
	case r.Method == http.MethodPost:
		user, ok := s.user(q.Get("idp_user"))
		if !ok {
			http.Error(w, "no such user", http.StatusBadRequest)
			return
		}
		s.approve(w, r, q, user, slices.DeleteFunc(s.scopesOf(q), func(sc string) bool { return !slices.Contains(q["idp_scope"], sc) }))
	default:
		s.ask(w, q, client)
	}
}

// wrongRequest is what is wrong with a request, beside its client.
func (s *Server) wrongRequest(q url.Values) string {
	scopes := s.scopesOf(q)
	switch {
	case q.Get("response_type") != "code":
		return "response_type must be code"
	case len(scopes) == 0:
		return "scope is missing"
	case q.Get("state") == "":
		return "state is missing"
	case s.cfg.Kind == LinkedIn && q.Get("code_challenge") != "":
		return "code_challenge is not supported for this client"
	case q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256":
		return "code_challenge_method must be S256"
	}
	if s.cfg.Kind == Microsoft {
		outlook := slices.ContainsFunc(scopes, func(sc string) bool { return strings.HasPrefix(sc, "https://outlook") })
		graph := slices.ContainsFunc(scopes, func(sc string) bool {
			return strings.HasPrefix(sc, "https://graph") || strings.HasPrefix(sc, "Mail.") || strings.HasPrefix(sc, "User.")
		})
		if outlook && graph {
			return "AADSTS28000: Provided value for the input parameter scope is not valid because it contains more than one resource."
		}
	}
	return ""
}

func (s *Server) scopesOf(q url.Values) []string {
	return strings.FieldsFunc(q.Get("scope"), func(r rune) bool { return r == ' ' || (r == ',' && s.cfg.Kind == Instagram) })
}

func (s *Server) autoUser(k Knobs, q url.Values) (User, bool) {
	for _, email := range []string{k.User, q.Get("login_hint")} {
		if u, ok := s.user(email); ok || (email != "" && email == k.User) {
			return u, ok
		}
	}
	if len(s.cfg.Users) == 0 {
		return User{}, false
	}
	return s.cfg.Users[0], true
}

func (s *Server) ask(w http.ResponseWriter, q url.Values, client Client) {
	data := struct {
		Kind           Kind
		Client, Chosen string
		Users, Scopes  []string
		Hidden         map[string]string
	}{Kind: s.cfg.Kind, Client: client.ID, Chosen: q.Get("login_hint"), Scopes: s.scopesOf(q), Hidden: map[string]string{}}
	for name := range q {
		data.Hidden[name] = q.Get(name)
	}
	for _, u := range s.cfg.Users {
		name := u.Email
		if name == "" {
			name = u.Username
		}
		data.Users = append(data.Users, name)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	_ = page().Execute(w, data) // whoever left does not want it
}

// approve makes a code and sends the browser back with it.
func (s *Server) approve(w http.ResponseWriter, r *http.Request, q url.Values, user User, scopes []string) {
	k := s.knob()
	scopes = slices.DeleteFunc(scopes, func(sc string) bool { return slices.Contains(k.Untick, sc) })
	g := &grant{
		user: user, client: q.Get("client_id"), redirect: q.Get("redirect_uri"), nonce: q.Get("nonce"), challenge: q.Get("code_challenge"),
		scopes: scopes, expires: s.cfg.Now().Add(10 * time.Minute),
	}
	code := "code-" + random()
	s.mu.Lock()
	s.codes[code] = g
	s.mu.Unlock()
	v := url.Values{"code": {code}}
	if s.cfg.Kind == Google {
		v.Set("scope", strings.Join(scopes, " "))
		v.Set("iss", s.Issuer())
	}
	s.back(w, r, q, v)
}

// back sends the browser to the redirect URI.
func (s *Server) back(w http.ResponseWriter, r *http.Request, q, v url.Values) {
	k := s.knob()
	switch {
	case k.CallbackIssuer == "-":
		v.Del("iss")
	case k.CallbackIssuer != "":
		v.Set("iss", k.CallbackIssuer)
	}
	v.Set("state", q.Get("state"))
	to := q.Get("redirect_uri")
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	to += sep + v.Encode()
	if s.cfg.Kind == Instagram {
		to += "#_"
	}
	http.Redirect(w, r, to, http.StatusFound) // the redirect URI was compared with the client's
}

// adminConsent is where a Microsoft administrator allows a client.
func (s *Server) adminConsent(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	client, ok := s.client(q.Get("client_id"))
	if !ok || !slices.Contains(client.RedirectURIs, q.Get("redirect_uri")) || q.Get("scope") == "" {
		http.Error(w, "AADSTS900971: the request is not right", http.StatusBadRequest)
		return
	}
	s.back(w, r, q, url.Values{"admin_consent": {"True"}, "tenant": {"11111111-2222-3333-4444-555555555555"}, "scope": {q.Get("scope")}})
}
