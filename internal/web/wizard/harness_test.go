package wizard_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"latchkey/internal/web/wizard"
	"latchkey/internal/web/wizard/wizardtest"
)

// house is a wizard over a scripted engine.
type house struct {
	t      *testing.T
	engine *wizardtest.Engine
	mux    *http.ServeMux
	log    *bytes.Buffer
}

func newHouse(t *testing.T, change ...func(*wizard.Config)) *house {
	t.Helper()
	h := &house{t: t, engine: wizardtest.NewEngine(wizardtest.States()), mux: http.NewServeMux(), log: &bytes.Buffer{}}
	cfg := wizard.Config{
		Engine: h.engine, Connectors: wizardtest.Connectors(), BaseURL: "http://auth.northwind.example", Now: wizardtest.Now,
		Address: func(*http.Request) string { return "192.0.2.7" },
		Log:     slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&cfg)
	}
	z, err := wizard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	z.Register(h.mux)
	return h
}

// answer is a response with its page parsed.
type answer struct {
	*http.Response
	body string
	root *html.Node
	t    *testing.T
}

func (h *house) do(r *http.Request) answer {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{Response: res, body: string(body), root: root, t: h.t}
}

func (h *house) get(path string, header ...string) answer {
	h.t.Helper()
	return h.do(request(http.MethodGet, path, "", header...))
}

// post sends a form as a browser does.
func (h *house) post(path string, form url.Values, header ...string) answer {
	h.t.Helper()
	return h.do(request(http.MethodPost, path, form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}, header...)...))
}

func (h *house) postJSON(path, body string, header ...string) answer {
	h.t.Helper()
	return h.do(request(http.MethodPost, path, body, append([]string{"Content-Type", "application/json"}, header...)...))
}

func request(method, path, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, "http://auth.northwind.example"+path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// all finds elements: "button", "input[name=version]", ".tile", "form .btn", "a[href]".
func (a answer) all(selector string) []*html.Node {
	nodes := []*html.Node{a.root}
	for _, part := range strings.Fields(selector) {
		var next []*html.Node
		for _, n := range nodes {
			for d := range n.Descendants() {
				if matches(d, part) {
					next = append(next, d)
				}
			}
		}
		nodes = next
	}
	return nodes
}

func (a answer) one(selector string) *html.Node {
	a.t.Helper()
	found := a.all(selector)
	if len(found) != 1 {
		a.t.Fatalf("%d elements are %s, want one; the page:\n%s", len(found), selector, a.body)
	}
	return found[0]
}

func matches(n *html.Node, part string) bool {
	if n.Type != html.ElementNode {
		return false
	}
	tag, rest, _ := strings.Cut(part, "[")
	tag, class, _ := strings.Cut(tag, ".")
	if tag != "" && n.Data != tag {
		return false
	}
	for c := range strings.SplitSeq(class, ".") {
		if c != "" && !strings.Contains(" "+attr(n, "class")+" ", " "+c+" ") {
			return false
		}
	}
	if rest == "" {
		return true
	}
	name, value, hasValue := strings.Cut(strings.TrimSuffix(rest, "]"), "=")
	for _, x := range n.Attr {
		if x.Key == name && (!hasValue || x.Val == value) {
			return true
		}
	}
	return false
}

func attr(n *html.Node, name string) string {
	for _, x := range n.Attr {
		if x.Key == name {
			return x.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, x := range n.Attr {
		if x.Key == name {
			return true
		}
	}
	return false
}

// text is what is read in an element, space folded.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
