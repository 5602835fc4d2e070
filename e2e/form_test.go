package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// nodes are the elements of a page, in order.
func nodes(t *testing.T, body string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			out = append(out, n)
		}
	}
	return out
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// follow opens what a link with the text leads to, as a browser without scripts would.
func (b *board) follow(t *testing.T, from seen, text string) seen {
	t.Helper()
	for _, n := range nodes(t, from.body) {
		if n.Data == "a" && strings.HasPrefix(textOf(n), text) {
			return b.get(t, b.resolve(t, from, attr(n, "href")))
		}
	}
	t.Fatalf("no link %q at %s", text, from.path)
	return seen{}
}

func (b *board) resolve(t *testing.T, from seen, ref string) string {
	t.Helper()
	at, err := url.Parse(b.s.base + from.path)
	if err != nil {
		t.Fatal(err)
	}
	to, err := at.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	return to.String()
}

// press sends the form that the button with the text belongs to, with what stands in it and what is
// typed, as a browser without scripts would. Typing into a field that is not there fails.
func (b *board) press(t *testing.T, from seen, text string, typed ...string) seen {
	t.Helper()
	for _, n := range nodes(t, from.body) {
		if n.Data != "button" || textOf(n) != text {
			continue
		}
		form := n
		for form != nil && form.Data != "form" {
			form = form.Parent
		}
		if form == nil {
			continue
		}
		values := filledIn(form)
		for i := 0; i+1 < len(typed); i += 2 {
			if _, there := values[typed[i]]; !there {
				t.Fatalf("no field %q at %s", typed[i], from.path)
			}
			values.Set(typed[i], typed[i+1])
		}
		action := attr(form, "action")
		if has(n, "formaction") {
			action = attr(n, "formaction")
		}
		return b.do(t, http.MethodPost, b.resolve(t, from, action), values)
	}
	t.Fatalf("no button %q at %s: %d\n%s", text, from.path, from.status, from.body)
	return seen{}
}

// filledIn is what stands in a form. Boxes that are not ticked are not sent.
func filledIn(form *html.Node) url.Values {
	values := url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		switch {
		case n.Type != html.ElementNode || name == "":
		case n.Data == "textarea":
			values.Set(name, textOf(n))
		case n.Data == "select":
			for o := range n.Descendants() {
				if o.Data == "option" && (has(o, "selected") || values.Get(name) == "") {
					values.Set(name, attr(o, "value"))
				}
			}
		case n.Data == "input" && (attr(n, "type") != "checkbox" || has(n, "checked")):
			values.Set(name, attr(n, "value"))
		}
	}
	return values
}

// field is what stands in a field of the page.
func (s seen) field(t *testing.T, name string) string {
	t.Helper()
	for _, n := range nodes(t, s.body) {
		if attr(n, "name") == name && (n.Data == "input" || n.Data == "textarea") {
			if n.Data == "textarea" {
				return textOf(n)
			}
			return attr(n, "value")
		}
	}
	t.Fatalf("no field %q at %s", name, s.path)
	return ""
}

// says is the text of the elements of a class.
func (s seen) says(t *testing.T, class string) string {
	t.Helper()
	var out []string
	for _, n := range nodes(t, s.body) {
		for c := range strings.FieldsSeq(attr(n, "class")) {
			if c == class {
				out = append(out, textOf(n))
			}
		}
	}
	return strings.Join(out, "\n")
}
