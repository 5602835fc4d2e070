package branding

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"latchkey"
)

// Bounds of header HTML.
const (
	MaxHeader = 16 << 10
	// MaxHeaderText counts what is read, so that the box stays a header.
	MaxHeaderText   = 600
	MaxHeaderImages = 4
	maxHeaderDepth  = 16
	// maxHeaderTags bounds the parser's work: elements that are never closed multiply.
	maxHeaderTags = 400
	maxCleaned    = 2 * MaxHeader
	maxAlt        = 200
	maxSide       = 1000
	maxRemovals   = 20
	// settles is how often cleaning is repeated until its result parses to itself.
	settles = 4
)

// ImagePath is where an image is served.
const ImagePath = "/assets/brand/"

// Removal is something that Clean took out of a header. It names the element or attribute, and never
// shows a value.
type Removal struct {
	// Code is removed_element, removed_attribute, removed_link or removed_image.
	Code string
	// Element is what it was, or was at; Attribute is empty for whole elements.
	Element, Attribute string
}

// allowed are the elements that a header may have, each with its attributes.
func allowed() map[atom.Atom][]string {
	return map[atom.Atom][]string{
		atom.P: nil, atom.Div: nil, atom.Span: nil, atom.Br: nil, atom.Hr: nil,
		atom.B: nil, atom.Strong: nil, atom.I: nil, atom.Em: nil, atom.U: nil, atom.S: nil, atom.Small: nil,
		atom.Sub: nil, atom.Sup: nil, atom.Code: nil, atom.Blockquote: nil,
		atom.Ul: nil, atom.Ol: nil, atom.Li: nil,
		atom.A: {"href"}, atom.Img: {"src", "alt", "width", "height"},
	}
}

// swallowed are elements that take what is inside with them: it is code, or was never shown as text.
func swallowed() []atom.Atom {
	return []atom.Atom{
		atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Iframe, atom.Frame, atom.Frameset, atom.Noframes, atom.Object,
		atom.Embed, atom.Applet, atom.Svg, atom.Math, atom.Textarea, atom.Select, atom.Title, atom.Head, atom.Xmp, atom.Plaintext,
		atom.Noembed, atom.Audio, atom.Video, atom.Canvas, atom.Link, atom.Meta, atom.Base, atom.Input,
	}
}

// Clean rebuilds a header from what is allowed, and says what it left out. image returns where an image
// of the application's is served, for what stands in src. The result parses to itself: a browser sees
// the tree that was checked, and nothing reaches out of the element that it stands in.
func Clean(src string, image func(src string) (path string, ok bool)) (string, []Removal) {
	c := &cleaner{image: image, allowed: allowed(), swallowed: swallowed()}
	out := src
	for range settles {
		next, ok := c.once(out)
		if !ok || len(next) > maxCleaned {
			break
		}
		if next == out {
			return out, c.removed
		}
		out = next
	}
	// It does not settle, or does not parse: only its words stay.
	text := strings.TrimSpace(plainText(src))
	return html.EscapeString(printable(text)), append(c.removed, Removal{Code: "removed_element", Element: "*"})
}

type cleaner struct {
	image     func(string) (string, bool)
	allowed   map[atom.Atom][]string
	swallowed []atom.Atom
	removed   []Removal
	b         strings.Builder
}

func parseHeader(src string) ([]*html.Node, error) {
	return html.ParseFragment(strings.NewReader(src), &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div})
}

func (c *cleaner) once(src string) (string, bool) {
	if strings.Count(src, "<") > maxHeaderTags {
		return "", false
	}
	nodes, err := parseHeader(src)
	if err != nil {
		return "", false
	}
	c.b.Reset()
	for _, n := range nodes {
		c.node(n, 0)
	}
	return strings.TrimSpace(c.b.String()), true
}

func (c *cleaner) node(n *html.Node, depth int) {
	switch n.Type { // comments, doctypes and what else there may be are left out
	case html.TextNode:
		c.b.WriteString(html.EscapeString(printable(n.Data)))
	case html.ElementNode:
		c.element(n, depth)
	}
}

func (c *cleaner) children(n *html.Node, depth int) {
	for k := n.FirstChild; k != nil; k = k.NextSibling {
		c.node(k, depth)
	}
}

func (c *cleaner) element(n *html.Node, depth int) {
	_, known := c.allowed[n.DataAtom]
	switch {
	case n.Namespace != "" || slices.Contains(c.swallowed, n.DataAtom):
		c.remove("removed_element", n.Data, "")
	case !known || depth >= maxHeaderDepth:
		c.remove("removed_element", n.Data, "")
		c.children(n, depth)
	case n.DataAtom == atom.Br || n.DataAtom == atom.Hr:
		c.attributes(n)
		c.b.WriteString("<" + n.Data + "/>")
	case n.DataAtom == atom.Img:
		c.img(n)
	case n.DataAtom == atom.A:
		c.link(n, depth)
	default:
		c.attributes(n)
		c.b.WriteString("<" + n.Data + ">")
		c.children(n, depth+1)
		c.b.WriteString("</" + n.Data + ">")
	}
}

// attributes returns those that may stay, and notes the others.
func (c *cleaner) attributes(n *html.Node) map[string]string {
	out := map[string]string{}
	for _, a := range n.Attr {
		// What Clean itself adds to links is no news.
		if n.DataAtom == atom.A && (a.Key == "rel" || a.Key == "target") {
			continue
		}
		if a.Namespace != "" || !slices.Contains(c.allowed[n.DataAtom], a.Key) {
			c.remove("removed_attribute", n.Data, a.Key)
			continue
		}
		if _, twice := out[a.Key]; !twice {
			out[a.Key] = a.Val
		}
	}
	return out
}

func (c *cleaner) img(n *html.Node) {
	attrs := c.attributes(n)
	path, ok := c.image(strings.TrimSpace(attrs["src"]))
	if !ok {
		c.remove("removed_image", "img", "src")
		return
	}
	c.b.WriteString(`<img src="` + html.EscapeString(path) + `" alt="` + html.EscapeString(cut(printable(attrs["alt"]), maxAlt)) + `"`)
	for _, side := range []string{"width", "height"} {
		if v, given := attrs[side]; given {
			if px, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && px > 0 && px <= maxSide {
				c.b.WriteString(" " + side + `="` + strconv.Itoa(px) + `"`)
			} else {
				c.remove("removed_attribute", "img", side)
			}
		}
	}
	c.b.WriteString("/>")
}

func (c *cleaner) link(n *html.Node, depth int) {
	href, ok := WebLink(c.attributes(n)["href"])
	if !ok {
		c.remove("removed_link", "a", "href")
		c.children(n, depth)
		return
	}
	c.b.WriteString(`<a href="` + html.EscapeString(href) + `" target="_blank" rel="noopener noreferrer nofollow">`)
	c.children(n, depth+1)
	c.b.WriteString("</a>")
}

func (c *cleaner) remove(code, element, attribute string) {
	r := Removal{Code: code, Element: nameOf(element), Attribute: nameOf(attribute)}
	if len(c.removed) < maxRemovals && !slices.Contains(c.removed, r) {
		c.removed = append(c.removed, r)
	}
}

// nameOf is a name that the author chose, fit to be repeated.
func nameOf(s string) string {
	const longest = 30
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == ':' {
			return r
		}
		return -1
	}, strings.ToLower(s))
	return s[:min(len(s), longest)]
}

// printable takes out what turns text around or ends it early.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && r != '\n' && r != '\t' || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// maxLink bounds addresses that pages link to.
const maxLink = 2048

// WebLink returns an https address as it may stand in a page.
func WebLink(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxLink || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || r == '\\' || unicode.Is(unicode.Bidi_Control, r)
	}) {
		return "", false
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	return u.String(), true
}

// plainText is what is read of some HTML, without building its tree.
func plainText(src string) string {
	z := html.NewTokenizer(strings.NewReader(src))
	var b strings.Builder
	hidden := false
	for {
		switch z.Next() { // what is no text is not read
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if !hidden {
				b.WriteString(html.UnescapeString(string(z.Raw())))
			}
			hidden = false
		case html.StartTagToken:
			name, _ := z.TagName()
			// The tokenizer takes what is inside of these as one text.
			hidden = slices.Contains(swallowed(), atom.Lookup(name))
		default:
			hidden = false
		}
	}
}

// imagesIn lists the images that a cleaned header shows.
func imagesIn(header string) []latchkey.ImageID {
	var out []latchkey.ImageID
	rest := header
	for {
		_, after, found := strings.Cut(rest, `<img src="`+ImagePath)
		if !found {
			return out
		}
		id, after, _ := strings.Cut(after, `"`)
		out = append(out, latchkey.ImageID(id))
		rest = after
	}
}

// ownPath is for headers that were cleaned before: any image of ours may stand there.
func ownPath(src string) (string, bool) {
	id, ok := strings.CutPrefix(src, ImagePath)
	return src, ok && latchkey.IsImageID(id)
}

// String says it in words.
func (r Removal) String() string {
	switch r.Code {
	case "removed_attribute":
		return "The attribute " + r.Attribute + " of <" + r.Element + "> was taken out."
	case "removed_link":
		return "A link was taken out: links go to https:// addresses."
	case "removed_image":
		return "An image was taken out: src must be an image that you uploaded."
	}
	if r.Element == "*" {
		return "The elements do not fit together, or are too many: only the text was kept."
	}
	return "The element <" + r.Element + "> was taken out."
}
