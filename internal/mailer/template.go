package mailer

import (
	"html"
	"regexp"
	"slices"
	"strings"

	nethtml "golang.org/x/net/html"

	"latchkey/internal/errs"
)

// AnyLocale is the locale of a template that serves languages without one of their own.
const AnyLocale = "any"

func templateKind(locale string) string { return "template/" + locale }

// Template is an application's own words for its sign-in mail. HTML may be empty.
type Template struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html,omitempty"`
}

// Bounds of a template.
const (
	maxSubject  = 200
	maxTemplate = 64 << 10
)

// placeholder is {{name}}, with spaces as people write them.
var placeholder = regexp.MustCompile(`\{\{\s*([a-z.]*)\s*\}\}`)

// names maps what a template may use to the value that fills it.
func names() map[string]string {
	return map[string]string{
		"code": ValueCode, "link": ValueLink, "app.name": "app", "device": ValueDevice, "time": ValueTime, "locale": "locale", "minutes": "minutes",
	}
}

// Check finds all that is wrong with a template: what would leave the reader without a code or a link,
// and what would let a value become markup, or the mail fetch something when it is opened.
func (t Template) Check() []errs.FieldError {
	var bad []errs.FieldError
	add := func(field string, code errs.Code, message string) {
		bad = append(bad, errs.FieldError{Field: field, Code: code, Message: message})
	}
	for field, s := range map[string]string{"subject": t.Subject, "text": t.Text, "html": t.HTML} {
		for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
			if _, ok := names()[m[1]]; !ok {
				add(field, errs.CodeInvalidValue, "Only {{code}}, {{link}}, {{app.name}}, {{device}}, {{time}}, {{minutes}} and {{locale}} can be filled in.")
				break
			}
		}
		if rest := placeholder.ReplaceAllString(s, ""); strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
			add(field, errs.CodeInvalidValue, "A placeholder is not closed, or is not a name.")
		}
	}
	switch {
	case strings.TrimSpace(t.Subject) == "":
		add("subject", errs.CodeRequired, "A mail needs a subject.")
	case len(t.Subject) > maxSubject:
		add("subject", errs.CodeTooLong, "At most 200 bytes.")
	case strings.ContainsAny(t.Subject, "\r\n"):
		add("subject", errs.CodeInvalidValue, "One line.")
	}
	switch {
	case len(t.Text) > maxTemplate:
		add("text", errs.CodeTooLong, "At most 65,536 bytes.")
	case !uses(t.Text, "code") && !uses(t.Text, "link"):
		add("text", errs.CodeRequired, "Without {{code}} or {{link}} nobody could sign in.")
	}
	switch {
	case len(t.HTML) > maxTemplate:
		add("html", errs.CodeTooLong, "At most 65,536 bytes.")
	case t.HTML != "" && !uses(t.HTML, "code") && !uses(t.HTML, "link"):
		add("html", errs.CodeRequired, "Without {{code}} or {{link}} nobody could sign in.")
	case t.HTML != "":
		if why := unsafe(t.HTML); why != "" {
			add("html", errs.CodeInvalidValue, why)
		}
	}
	slices.SortFunc(bad, func(a, b errs.FieldError) int { return strings.Compare(a.Field+string(a.Code), b.Field+string(b.Code)) })
	return bad
}

func uses(s, name string) bool {
	return slices.ContainsFunc(placeholder.FindAllStringSubmatch(s, -1), func(m []string) bool { return m[1] == name })
}

// unsafe tells what the HTML of a mail must not have; empty where there is nothing.
func unsafe(s string) string {
	z := nethtml.NewTokenizer(strings.NewReader(s))
	style := false
	for {
		kind := z.Next()
		if kind == nethtml.TextToken && style {
			css := strings.ToLower(string(z.Raw()))
			if fetches(css) || placeholder.MatchString(css) {
				return "Nothing is fetched when a mail is opened: styles cannot name addresses, nor hold placeholders."
			}
		}
		switch kind {
		case nethtml.ErrorToken:
			return ""
		case nethtml.CommentToken:
			if placeholder.MatchString(string(z.Raw())) {
				return "Comments cannot hold placeholders."
			}
			continue
		case nethtml.StartTagToken, nethtml.SelfClosingTagToken:
		default:
			continue
		}
		t := z.Token()
		style = t.Data == "style" && kind == nethtml.StartTagToken
		switch t.Data {
		case "script", "iframe", "object", "embed", "form", "input", "button", "textarea", "select", "base", "link", "svg", "math", "video", "audio", "frame", "frameset", "plaintext", "xmp", "noscript", "template":
			return "The element <" + t.Data + "> does not belong in a mail."
		}
		for _, a := range t.Attr {
			if why := unsafeAttribute(t.Data, strings.ToLower(a.Key), a.Val); why != "" {
				return why
			}
		}
	}
}

func unsafeAttribute(element, key, value string) string {
	v := strings.ToLower(strings.TrimSpace(value))
	holds := placeholder.FindAllStringSubmatch(value, -1)
	switch {
	case strings.HasPrefix(key, "on"):
		return "Attributes that run code (on…) do not belong in a mail."
	case placeholder.MatchString(key):
		return "Placeholders stand in text, and {{link}} in href."
	case key == "href" && len(holds) == 1 && holds[0][1] == "link" && placeholder.FindString(value) == strings.TrimSpace(value):
		return ""
	case (key == "lang" || key == "dir") && len(holds) == 1 && holds[0][1] == "locale":
		return ""
	case len(holds) > 0:
		return "Inside a tag only href=\"{{link}}\" and lang=\"{{locale}}\" can be filled in."
	case key == "href" && !strings.HasPrefix(v, "https://") && !strings.HasPrefix(v, "mailto:") && !strings.HasPrefix(v, "#"):
		return "Links go to https:// or mailto:."
	case key == "src" || key == "srcset" || key == "background" || key == "poster":
		return "Nothing is fetched when a mail is opened: images cannot be used."
	case key == "style" && fetches(v):
		return "Nothing is fetched when a mail is opened: styles cannot name addresses."
	case element == "meta" && key == "http-equiv":
		return "A mail cannot redirect."
	}
	return ""
}

// fetches tells whether a style in small letters names an address. A backslash could hide one.
func fetches(css string) bool {
	return strings.Contains(css, "url(") || strings.Contains(css, "@import") || strings.Contains(css, "expression(") || strings.Contains(css, "image-set(") ||
		strings.Contains(css, "\\")
}

// fill makes the mail. Values never become markup.
func (t Template) fill(lang string, values map[string]string) content {
	put := func(s string, escape func(string) string) string {
		return placeholder.ReplaceAllStringFunc(s, func(m string) string {
			name := names()[placeholder.FindStringSubmatch(m)[1]]
			if name == "locale" {
				return escape(lang)
			}
			return escape(values[name])
		})
	}
	plain := func(s string) string { return s }
	c := content{Locale: lang, Subject: put(t.Subject, plain), Text: put(t.Text, plain)}
	if t.HTML != "" {
		c.HTML = put(t.HTML, html.EscapeString)
	}
	return c
}
