package api

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"net/http"
	"strings"

	"latchkey/internal/web"
)

//go:embed docs/index.html docs/start.js docs/scalar.js.gz docs/LICENSE.scalar
var docsFiles embed.FS

// docsPolicy lets the reference load what this server sends, and nothing else. Styles are inline:
// the reference writes them as it draws.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; font-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// registerDocs serves the offline API reference at /docs.
func registerDocs(mux *http.ServeMux) {
	mux.HandleFunc("GET /docs", docsFile("docs/index.html", "text/html; charset=utf-8"))
	mux.HandleFunc("GET /docs/start.js", docsFile("docs/start.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /docs/scalar.js", docsFile("docs/scalar.js.gz", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /docs/LICENSE", docsFile("docs/LICENSE.scalar", "text/plain; charset=utf-8"))
}

func docsFile(name, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := docsFiles.ReadFile(name)
		if err != nil {
			web.WriteProblem(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", docsPolicy)
		h.Set("Content-Type", contentType)
		h.Set("Cache-Control", "public, max-age=3600")
		if strings.HasSuffix(name, ".gz") {
			h.Set("Vary", "Accept-Encoding")
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				h.Set("Content-Encoding", "gzip")
			} else if body, err = unpack(body); err != nil {
				web.WriteProblem(w, r, err)
				return
			}
		}
		if r.Method == http.MethodHead {
			return
		}
		// An error means that the reader is gone: there is nobody left to tell.
		_, _ = w.Write(body)
	}
}

func unpack(packed []byte) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(zr)
}
