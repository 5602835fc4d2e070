package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed static/*.css static/*.js
var static embed.FS

const (
	assetPath = "/assets/"
	themePath = "/assets/theme/"
	immutable = "public, max-age=31536000, immutable"
)

// Assets serves the stylesheets and scripts, each packed once.
type Assets struct {
	hash  string
	files map[string]asset
}

type asset struct {
	kind          string
	plain, packed []byte
}

// NewAssets packs the files. Their common hash is part of their URLs.
func NewAssets() (*Assets, error) {
	a := &Assets{files: map[string]asset{}}
	sum := sha256.New()
	err := fs.WalkDir(static, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(static, name)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data) // a hash never fails to take bytes
		if path.Base(name) == pageCSS {
			for _, scheme := range []string{SchemeLight, SchemeDark} {
				if err := a.add("page."+scheme+".css", held(data, scheme)); err != nil {
					return err
				}
			}
		}
		return a.add(path.Base(name), data)
	})
	if err != nil {
		return nil, fmt.Errorf("ui: assets: %w", err)
	}
	a.hash = hex.EncodeToString(sum.Sum(nil)[:6])
	return a, nil
}

const pageCSS = "page.css"

// PageCSS is the URL of the pages' stylesheet, which follows the reader's wish for light or dark unless
// it is held to a scheme.
func (a *Assets) PageCSS(scheme string) string {
	if scheme == SchemeLight || scheme == SchemeDark {
		return a.URL("page." + scheme + ".css")
	}
	return a.URL(pageCSS)
}

// held is the pages' stylesheet for one scheme only.
func held(css []byte, scheme string) []byte {
	medium := "all"
	if scheme == SchemeLight {
		medium = "not all"
	}
	css = bytes.ReplaceAll(css, []byte("(prefers-color-scheme:dark)"), []byte(medium))
	return bytes.ReplaceAll(css, []byte("color-scheme:light dark"), []byte("color-scheme:"+scheme))
}

func (a *Assets) add(name string, data []byte) error {
	packed, err := pack(data)
	if err != nil {
		return err
	}
	a.files[name] = asset{kind: mime.TypeByExtension(path.Ext(name)), plain: data, packed: packed}
	return nil
}

func pack(data []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// URL is where a file is served, for ever the same bytes.
func (a *Assets) URL(name string) string { return assetPath + a.hash + "/" + name }

// Register adds the routes under /assets/.
func (a *Assets) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /assets/{hash}/{file}", a.serve)
	mux.HandleFunc("GET /assets/theme/{file}", serveTheme)
}

func (a *Assets) serve(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	if r.PathValue("hash") == a.hash {
		h.Set("Cache-Control", immutable)
	} else {
		// A page of another release asks (replicas are replaced one by one): ours is close enough
		// for one view, but must not be kept under that name.
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Type", f.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	write(w, r, body)
}

func serveTheme(w http.ResponseWriter, r *http.Request) {
	spec, ok := strings.CutSuffix(r.PathValue("file"), ".css")
	css := themeCSS(spec)
	if !ok || css == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", immutable)
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	write(w, r, []byte(css))
}

func write(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // a reader that went away wants nothing more
}
