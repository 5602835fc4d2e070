package dashboard

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"latchkey/internal/branding"
	"latchkey/internal/errs"
	"latchkey/internal/web/ui"
)

func brandingRoutes() []route {
	on := func(method, path string, a access, action string, handle func(*call) (answer, error)) route {
		return route{method: method, path: "/apps/{app}/branding" + path, access: a, section: "settings", tab: "branding", action: action, handle: handle}
	}
	upload := on(post, "/images", accessDeveloper, "add_image", uploadImage)
	upload.upload = true
	return []route{
		on(get, "", accessViewer, "", brandingPage),
		on(post, "", accessDeveloper, "put_branding", saveLook),
		on(get, "/preview", accessViewer, "", previewPage),
		on(get, "/images", accessViewer, "", imagesPage),
		upload,
		on(post, "/images/{id}/use", accessDeveloper, "put_branding", useImage),
		on(get, "/images/{id}/delete", accessDeveloper, "", askDeleteImage),
		on(post, "/images/{id}/delete", accessDeveloper, "delete_image", deleteImage),
		on(get, "/words", accessViewer, "", wordsPage),
		on(post, "/words", accessDeveloper, "put_branding", saveWords),
		on(get, "/header", accessViewer, "", headerPage),
		on(post, "/header", accessDeveloper, "put_branding", saveHeader),
		on(get, "/reset", accessDeveloper, "", askResetBranding),
		on(post, "/reset", accessDeveloper, "delete_branding", resetBranding),
	}
}

// preview shows pages of ours in frames. They run nothing and post nothing.
type preview struct{ Frames []brandFrame }

type brandFrame struct{ Text, Title, Href string }

// paint is the form of what colours there are, with their contrasts.
type paint struct {
	Action        string
	Before, After []field
	Colors        []colorField
}

type colorField struct {
	field
	// Shown is the colour that is used, chosen or not.
	Shown string
	Needs string
	Ratio string
	Good  bool
}

func (c *call) brandingPath(path string) string { return c.appPath("/branding" + path) }

// brandPage begins a page about a part of the branding.
func (c *call) brandPage(part string) *page {
	return &page{Title: c.say("branding." + part), Lead: c.say("branding." + part + "_lead"), Crumb: &link{c.say("branding.title"), c.brandingPath("")}}
}

func brandingPage(c *call) (answer, error) {
	b, err := c.d.cfg.Branding.Get(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p := c.brandingMain()
	if c.may(accessDeveloper) {
		p.add(block{Heading: c.say("branding.look")}, block{Paint: c.lookForm(b.Branding)})
		p.add(block{Buttons: []button{{Text: c.say("branding.reset"), Href: c.brandingPath("/reset"), Tone: "quiet"}}})
	}
	return answer{page: p}, nil
}

// brandingMain is the page without its form.
func (c *call) brandingMain() *page {
	p := &page{Title: c.say("branding.title"), Lead: c.say("branding.lead"), Painting: true, Frames: true}
	p.add(block{Buttons: []button{
		{Text: c.say("branding.images"), Href: c.brandingPath("/images"), Tone: "quiet"},
		{Text: c.say("branding.words"), Href: c.brandingPath("/words"), Tone: "quiet"},
		{Text: c.say("branding.header"), Href: c.brandingPath("/header"), Tone: "quiet"},
	}})
	lang := c.brandLanguage()
	var frames []brandFrame
	for _, scheme := range []string{ui.SchemeLight, ui.SchemeDark} {
		text := c.say("branding.preview_" + scheme)
		frames = append(frames, brandFrame{
			Text: text, Title: c.say("branding.frame", "scheme", text),
			Href: c.brandingPath("/preview?" + url.Values{"scheme": {scheme}, "lang": {lang}}.Encode()),
		})
	}
	p.add(block{Heading: c.say("branding.preview"), Text: c.say("branding.preview_lead")}, block{Preview: &preview{Frames: frames}})
	p.add(block{Links: c.languages("", false)})
	return p
}

// brandLanguage is the one that the query asks for, else English.
func (c *call) brandLanguage() string {
	lang := c.r.URL.Query().Get("lang")
	if lang == branding.AnyLanguage || slices.Contains(c.d.cfg.Branding.Languages(), lang) {
		return lang
	}
	return "en"
}

func (c *call) languageName(lang string) string {
	if lang == branding.AnyLanguage {
		return c.say("branding.any")
	}
	return c.language(lang)
}

// languages lead to the same page in each of them.
func (c *call) languages(path string, others bool) []link {
	all := c.d.cfg.Branding.Languages()
	if others {
		all = append(all, branding.AnyLanguage)
	}
	var out []link
	for _, l := range all {
		out = append(out, link{c.languageName(l), c.brandingPath(path + "?" + url.Values{"lang": {l}}.Encode())})
	}
	return out
}

func (c *call) lookForm(b branding.Branding) *paint {
	f := &paint{
		Action: c.brandingPath(""),
		Before: []field{{Name: "name", Label: c.say("branding.name"), Hint: c.say("branding.name_hint", "name", c.app.Name), Max: branding.MaxName, Value: b.Name}},
	}
	radius := ""
	if b.Colors.Radius != nil {
		radius = strconv.Itoa(*b.Colors.Radius)
	}
	f.After = []field{
		{Name: "radius", Label: c.say("branding.radius"), Hint: c.say("branding.radius_hint"), Max: 2, Value: radius},
		{Name: "privacy", Label: c.say("branding.privacy"), Hint: c.say("branding.link_hint"), Type: "url", Max: 2048, Value: b.Links.Privacy},
		{Name: "terms", Label: c.say("branding.terms"), Hint: c.say("branding.link_hint"), Type: "url", Max: 2048, Value: b.Links.Terms},
		{Name: "support", Label: c.say("branding.support"), Hint: c.say("branding.link_hint"), Type: "url", Max: 2048, Value: b.Links.Support},
	}
	measured := b.Colors.Measure()
	for _, x := range []struct{ name, value, needs string }{
		{"accent", b.Colors.Accent, "3"},
		{"accent_text", b.Colors.AccentText, "4.5"},
		{"accent_dark", b.Colors.AccentDark, "3"},
		{"accent_dark_text", b.Colors.AccentDarkText, "4.5"},
	} {
		cf := colorField{field: field{Name: x.name, Label: c.say("branding." + x.name), Hint: c.say("branding." + x.name + "_hint"), Value: x.value}, Needs: x.needs}
		if i := slices.IndexFunc(measured, func(m branding.Measured) bool { return m.Of == x.name }); i >= 0 {
			m := measured[i]
			cf.Shown, cf.Good = m.Color, m.Ratio >= m.Needs
			cf.Ratio = c.say("branding.ratio", "ratio", branding.Ratio(m.Ratio), "needs", x.needs+":1")
		}
		f.Colors = append(f.Colors, cf)
	}
	return f
}

// wrong puts what was refused beside its field; what has none is returned.
func (f *paint) wrong(err error) (*note, bool) {
	e := errs.As(err)
	if e.Kind != errs.Invalid && e.Kind != errs.Conflict {
		return nil, false
	}
	var rest []string
	for _, x := range e.Fields {
		name := x.Field[strings.LastIndexByte(x.Field, '.')+1:]
		if to := f.field(name); to != nil {
			to.Errs = append(to.Errs, x.Message)
		} else {
			rest = append(rest, x.Message)
		}
	}
	if len(rest) == 0 {
		rest = []string{e.Detail}
	}
	return &note{Tone: "bad", Text: strings.Join(rest, " ")}, true
}

func (f *paint) field(name string) *field {
	for _, list := range [][]field{f.Before, f.After} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	for i := range f.Colors {
		if f.Colors[i].Name == name {
			return &f.Colors[i].field
		}
	}
	return nil
}

func saveLook(c *call) (answer, error) {
	typed := branding.Branding{
		Name: c.form("name"), Colors: branding.Colors{
			Accent: c.form("accent"), AccentText: c.form("accent_text"), AccentDark: c.form("accent_dark"), AccentDarkText: c.form("accent_dark_text"),
		},
		Links: branding.Links{Privacy: c.form("privacy"), Terms: c.form("terms"), Support: c.form("support")},
	}
	if s := c.form("radius"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			n = -1 // no radius has it, so it is refused like one that is too small
		}
		typed.Colors.Radius = &n
	}
	_, _, err := c.d.cfg.Branding.Change(c.ctx, c.app.ID, func(b branding.Branding) branding.Branding {
		b.Name, b.Colors, b.Links = typed.Name, typed.Colors, typed.Links
		return b
	})
	if err == nil {
		return answer{to: c.brandingPath("?done=saved")}, nil
	}
	f := c.lookForm(typed)
	if to := f.field("radius"); to != nil {
		to.Value = c.form("radius")
	}
	n, ok := f.wrong(err)
	if !ok {
		return answer{}, err
	}
	c.inWords(n, err)
	p := c.brandingMain()
	p.refused, p.Title = true, c.say("form.error", "title", p.Title)
	// What is wrong comes first.
	p.Blocks = append([]block{{Note: n}, {Paint: f}}, p.Blocks...)
	return answer{page: p}, nil
}

// previewPage is the wizard's own first page, in a frame: it runs nothing, and its forms lead nowhere.
func previewPage(c *call) (answer, error) {
	scheme := c.r.URL.Query().Get("scheme")
	if scheme != ui.SchemeDark {
		scheme = ui.SchemeLight
	}
	body, err := c.d.cfg.Preview(c.ctx, c.app, c.brandLanguage(), scheme)
	if err != nil {
		return answer{}, err
	}
	return answer{show: func(w http.ResponseWriter) error {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox allow-same-origin")
		h.Set("X-Frame-Options", "SAMEORIGIN")
		_, err := w.Write(body)
		return err
	}}, nil
}

func wordsPage(c *call) (answer, error) {
	b, err := c.d.cfg.Branding.Get(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	lang := c.brandLanguage()
	p, f := c.wordsForm(lang, b.Texts[lang])
	p.add(block{Links: c.languages("/words", true)})
	if c.may(accessDeveloper) {
		p.add(block{Heading: c.languageName(lang)}, block{Form: f})
	}
	return answer{page: p}, nil
}

func (c *call) wordsForm(lang string, words map[string]string) (*page, *form) {
	p := c.brandPage("words")
	p.Lead = c.say("branding.words_lead", "placeholder", "{app}")
	f := &form{Action: c.brandingPath("/words?" + url.Values{"lang": {lang}}.Encode()), Submit: c.say("form.save")}
	for _, w := range branding.Words() {
		fl := field{
			Name: w.Key, Label: c.say("branding.word_" + strings.ReplaceAll(w.Key, ".", "_")), Hint: c.say("branding.word_hint", "max", strconv.Itoa(w.Max)),
			Max: w.Max, Value: words[w.Key],
		}
		f.Fields = append(f.Fields, fl)
	}
	return p, f
}

func saveWords(c *call) (answer, error) {
	lang := c.brandLanguage()
	words := map[string]string{}
	for _, w := range branding.Words() {
		words[w.Key] = c.form(w.Key)
	}
	_, _, err := c.d.cfg.Branding.Change(c.ctx, c.app.ID, func(b branding.Branding) branding.Branding {
		texts := map[string]map[string]string{}
		for l, t := range b.Texts {
			texts[l] = t
		}
		texts[lang] = words
		b.Texts = texts
		return b
	})
	if err != nil {
		p, f := c.wordsForm(lang, words)
		return c.again(p, f, shorter(err, "texts."+lang+"."))
	}
	return answer{to: c.brandingPath("/words?" + url.Values{"lang": {lang}, "done": {"saved"}}.Encode())}, nil
}

// shorter takes a beginning away from the names of fields: the form has one language.
func shorter(err error, prefix string) error {
	e := *errs.As(err)
	e.Fields = slices.Clone(e.Fields)
	for i := range e.Fields {
		e.Fields[i].Field = strings.TrimPrefix(e.Fields[i].Field, prefix)
	}
	return &e
}

func headerPage(c *call) (answer, error) {
	b, err := c.d.cfg.Branding.Get(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p, f := c.headerForm(b.HeaderHTML)
	if c.may(accessDeveloper) {
		p.add(block{Form: f})
	}
	return answer{page: p}, nil
}

func (c *call) headerForm(src string) (*page, *form) {
	return c.brandPage("header"), &form{Action: c.brandingPath("/header"), Submit: c.say("form.save"), Fields: []field{
		{Name: "header_html", Label: c.say("branding.header"), Hint: c.say("branding.header_hint"), Type: "textarea", Value: src},
	}}
}

func saveHeader(c *call) (answer, error) {
	src := c.form("header_html")
	kept, removed, err := c.d.cfg.Branding.Change(c.ctx, c.app.ID, func(b branding.Branding) branding.Branding {
		b.HeaderHTML = src
		return b
	})
	if err != nil {
		p, f := c.headerForm(src)
		return c.again(p, f, err)
	}
	if len(removed) == 0 {
		return answer{to: c.brandingPath("/header?done=saved")}, nil
	}
	// What was left out is said once, on the answer itself.
	p, f := c.headerForm(kept.HeaderHTML)
	var said []string
	for _, r := range removed {
		said = append(said, r.String())
	}
	p.add(block{Note: &note{Tone: "warn", Title: c.say("branding.removed"), Text: strings.Join(said, " ")}}, block{Form: f})
	return answer{page: p}, nil
}

func askResetBranding(c *call) (answer, error) {
	return c.ask(c.say("branding.reset_title"), c.say("branding.reset_lead"), c.say("branding.reset"), c.r.URL.Path, c.brandingPath(""))
}

func resetBranding(c *call) (answer, error) {
	return answer{to: c.brandingPath("?done=branding_reset")}, c.d.cfg.Branding.Reset(c.ctx, c.app.ID)
}
