package web

import (
	"net/http"
	"path"
	"strings"

	"latchkey/internal/errs"
)

// repairPath makes //api/v1/… mean /api/v1/…: a base URL with a final slash makes client libraries
// send it. It does not redirect, since a redirect would turn a POST into a GET in many of them.
// Other paths of the API that are not clean are unknown; the mux would answer them with a page.
func repairPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.Path
		if strings.HasPrefix(p, "//") {
			trimmed := "/" + strings.TrimLeft(p, "/")
			if isAPI(trimmed) {
				u := *r.URL
				u.Path = trimmed
				if u.RawPath != "" {
					u.RawPath = "/" + strings.TrimLeft(u.RawPath, "/")
				}
				r2 := *r
				r2.URL = &u
				r, p = &r2, trimmed
			}
		}
		if isAPI(p) && path.Clean(p) != strings.TrimSuffix(p, "/") {
			WriteProblem(w, r, noRoute())
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isAPI(p string) bool {
	return strings.HasPrefix(p, LenientPrefix+"/") || strings.HasPrefix(p, StrictPrefix+"/")
}

func noRoute() error {
	return errs.New(errs.NotFound, errs.CodeNotFound, "There is no such route. The API is described at /docs.")
}

// NoRoute answers what no other pattern of the mux takes. Register it for a whole prefix
// ("/v1/"): the mux's own answers to unknown routes and methods are plain text.
func NoRoute(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		own := r.Pattern
		var allow []string
		for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
			if _, pattern := mux.Handler(probe); pattern != "" && pattern != own {
				allow = append(allow, m)
			}
		}
		if len(allow) == 0 {
			WriteProblem(w, r, noRoute())
			return
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		WriteProblem(w, r, errs.New(errs.Invalid, errs.CodeMethodNotAllowed,
			"This route does not take that method. It takes "+strings.Join(allow, ", ")+"."))
	}
}
