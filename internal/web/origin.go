package web

import (
	"net/http"

	"latchkey/internal/errs"
)

// SameOrigin refuses unsafe requests that a browser makes on behalf of another site. It is for
// handlers that know the caller by a cookie; deny answers what is refused (nil: a JSON problem).
// Origins that may write besides the own one are given in full ("https://auth.example.org").
func SameOrigin(deny http.Handler, origins ...string) (func(http.Handler) http.Handler, error) {
	protection := http.NewCrossOriginProtection()
	for _, o := range origins {
		if err := protection.AddTrustedOrigin(o); err != nil {
			return nil, err
		}
	}
	if deny == nil {
		deny = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			WriteProblem(w, r, errs.New(errs.Forbidden, errs.CodeCrossOrigin,
				"This request came from another site. Open the page itself and try again there."))
		})
	}
	protection.SetDenyHandler(deny)
	return protection.Handler, nil
}
