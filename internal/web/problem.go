package web

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/errs"
)

// Problem is how every error of the API looks on the wire.
type Problem struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	// Instance is the request's id, on errors of ours: with it the operator finds the log line.
	Instance string            `json:"instance,omitempty"`
	Errors   []errs.FieldError `json:"errors"`
}

// WriteProblem answers with err. It is the one switch from kinds of errors to HTTP: what nobody
// classified is a bare 500, and its cause goes to the request's log line only.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	e := errs.As(err)
	info := InfoOf(r.Context())
	info.fail(err)
	status := StatusOf(e)
	p := Problem{
		Status: status,
		Type:   "errors/" + typeName(r.URL.Path, e.Code),
		Title:  title(e.Code),
		Detail: e.Detail,
		Errors: e.Fields,
	}
	if p.Errors == nil {
		p.Errors = []errs.FieldError{}
	}
	if status >= http.StatusInternalServerError {
		p.Instance = info.RequestID
	}
	h := w.Header()
	if e.RetryAfter > 0 {
		h.Set("Retry-After", retryAfter(e.RetryAfter))
	}
	if status == http.StatusUnauthorized {
		// RFC 9110 §11.6.1: a 401 names the scheme that would do.
		h.Set("WWW-Authenticate", `Bearer realm="latchkey"`)
	}
	WriteJSON(w, r, status, p)
}

// WriteJSON answers with v as JSON. Answers of the API are for one caller: nothing keeps them.
func WriteJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		InfoOf(r.Context()).fail(err)
		status = http.StatusInternalServerError
		body = []byte(`{"status":500,"type":"errors/internal_error","title":"Internal error",` +
			`"detail":"Something went wrong on our side. It has been logged.","errors":[]}`)
	}
	WriteBody(w, r, status, body)
}

// WriteBody answers with a body that is JSON already. Nobody keeps it, unless the header says so.
func WriteBody(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(body); err != nil {
		// The caller is gone: there is nobody left to tell but the log.
		InfoOf(r.Context()).fail(err)
	}
}

// StatusOf is the HTTP status of an error: its kind's, but for a few codes that HTTP has a status
// of their own for.
func StatusOf(e *errs.Error) int {
	switch e.Code {
	case errs.CodeBodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case errs.CodeUnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case errs.CodeNotAcceptable:
		return http.StatusNotAcceptable
	case errs.CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case errs.CodeMisdirected:
		return http.StatusMisdirectedRequest
	}
	switch e.Kind {
	case errs.Invalid:
		return http.StatusBadRequest
	case errs.Unauthenticated:
		return http.StatusUnauthorized
	case errs.Forbidden:
		return http.StatusForbidden
	case errs.NotFound:
		return http.StatusNotFound
	case errs.Conflict:
		return http.StatusConflict
	case errs.Gone:
		return http.StatusGone
	case errs.TooEarly:
		return http.StatusTooEarly
	case errs.TooMany:
		return http.StatusTooManyRequests
	case errs.Unavailable:
		return http.StatusServiceUnavailable
	case errs.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// retryAfter is in whole seconds (RFC 9110 §10.2.3), rounded up so that nobody comes back too early.
func retryAfter(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}

// title is the code in words: it is the same for every occurrence of the type.
func title(c errs.Code) string {
	words := strings.Split(string(c), "_")
	for i, w := range words {
		switch w {
		case "api", "json", "tls", "imap", "smtp", "url", "id":
			words[i] = strings.ToUpper(w)
		default:
			if i == 0 && w != "" {
				words[i] = strings.ToUpper(w[:1]) + w[1:]
			}
		}
	}
	return strings.Join(words, " ")
}

// typeName is the code as the caller's dialect names it: client libraries that were written for
// /api/v1 branch on names of their own.
func typeName(path string, c errs.Code) string {
	if path != LenientPrefix && !strings.HasPrefix(path, LenientPrefix+"/") {
		return string(c)
	}
	switch c {
	case errs.CodeNotFound:
		return "resource_not_found"
	case errs.CodeInternal:
		return "unexpected_error"
	case errs.CodeMalformedJSON:
		return "malformed_request"
	case errs.CodeLinkExpired:
		return "expired_link"
	case errs.CodeWrongPassword, errs.CodeAppPassword, errs.CodeCredentialRejected:
		return "invalid_credentials"
	case errs.CodeWrongCode:
		return "invalid_checkpoint_solution"
	case errs.CodeAccountBlocked:
		return "account_restricted"
	}
	return string(c)
}
