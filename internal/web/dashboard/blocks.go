package dashboard

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/errs"
	"latchkey/internal/web"
	"latchkey/internal/web/ui"
)

// page is what is shown. Its blocks stand one below the other.
type page struct {
	Title string
	Lead  string
	// Crumb leads back to the list that the page is of.
	Crumb *link
	// Actions are buttons beside the title.
	Actions []button
	Blocks  []block
	// Narrow is for pages of one question, without the menu.
	Narrow bool
	// Passkeys has the script loaded that asks for passkeys.
	Passkeys bool
	// Frames lets it show another page of ours in a frame.
	Frames bool
	// Painting has the script loaded that shows colours while they are typed.
	Painting bool
	// refused tells that a form is shown again because something was wrong with it.
	refused bool

	frame
}

// frame is what is around every page.
type frame struct {
	Assets  paths
	Site    string
	Who     string
	App     string
	AppHome string
	Test    bool
	Menu    []menuLink
	// Tabs are the pages of the section, where it has several.
	Tabs     []menuLink
	Switch   []link
	Done     string
	SignedIn bool
}

type menuLink struct {
	link
	Here bool
}

func (p *page) add(b ...block) *page {
	p.Blocks = append(p.Blocks, b...)
	return p
}

// block is one thing on a page; one of its fields is set, and perhaps Heading.
type block struct {
	Heading string
	Text    string
	Note    *note
	Empty   *empty
	Table   *table
	Facts   []fact
	Form    *form
	Once    *once
	Buttons []button
	Links   []link
	Bars    *bars
	Filter  *filterForm
	Passkey *passkeyBlock
	Preview *preview
	Paint   *paint
	Upload  *upload
	Gallery []picture
	Tiles   []tile
	Steps   []step
	Frame   *frameBlock
}

type link struct{ Text, Href string }

type note struct {
	Tone, Title, Text string
	Link              *link
}

// frameBlock is a sandboxed frame, for what must not mix with our page.
type frameBlock struct{ Name, Title, Src string }

// tile is one of several ways to go on.
type tile struct{ Text, Sub, Href string }

// step is one of several things to do elsewhere, in order.
type step struct {
	Title, Text string
	Link        *link
	// Commands are for a shell, one a line.
	Commands string
	ID       string
}

// empty is a list with nothing in it: it says what would be there, and what to do.
type empty struct {
	Title, Text string
	Next        *link
}

// table is a list. On a phone each row becomes a card.
type table struct {
	Caption string
	Cols    []string
	Rows    []row
	More    string
}

type row []cell

// cell is a value. Its column's heading comes from the table.
type cell struct {
	Text, Sub, Href string
	// Time is machine-readable, beside the words.
	Time  string
	Badge string
	Mono  bool
	Num   bool
	// Act is a small form in the row.
	Act *button
	// Choice is a small form with a choice in the row.
	Choice *form
	Col    string
}

type fact struct {
	Label string
	cell
}

// button is a link, or with Post a form of one button.
type button struct {
	Text, Href string
	Post       bool
	Tone       string
	// Target is the frame in which the answer is shown.
	Target string
	// Label says to those who cannot see the row what the button is about.
	Label string
}

// once is a secret that is shown this once.
type once struct{ Label, Value, Hint string }

// filterForm is a form that reads: it has no effect.
type filterForm struct {
	Fields []field
	Submit string
}

type form struct {
	Action, Submit, Tone string
	Fields               []field
	Cancel               string
	Hidden               []field
	// Second is another button, which sends the same fields elsewhere.
	Second *button
	// Wide is for texts of many lines.
	Wide bool
}

type field struct {
	Name, Label, Hint, Value, Type, Auto string
	Required, Checked                    bool
	Max, Rows                            int
	Options                              []option
	Errs                                 []string
	// ids keeps the ids of fields apart that are on a page several times.
	ids string
}

type option struct {
	Value, Text string
	Selected    bool
}

// ID is the field's id in the page.
func (f field) ID() string {
	return "f-" + f.ids + strings.NewReplacer("[", "-", "]", "", ".", "-").Replace(f.Name)
}

type passkeyBlock struct{ Kind, Begin, Finish, Button, Busy, Failed, Missing string }

// wrong puts what a service refused beside the fields that it is about. What belongs to no field here
// is returned for a note above. It never puts a value back: callers do, for what is no secret.
func (f *form) wrong(err error) (*note, bool) {
	e := errs.As(err)
	if e.Kind != errs.Invalid && e.Kind != errs.Conflict && e.Kind != errs.TooMany {
		return nil, false
	}
	var rest []string
	for _, x := range e.Fields {
		name, _, _ := strings.Cut(x.Field, "[")
		found := false
		for i := range f.Fields {
			if f.Fields[i].Name == x.Field || f.Fields[i].Name == name {
				if !slices.Contains(f.Fields[i].Errs, x.Message) {
					f.Fields[i].Errs = append(f.Fields[i].Errs, x.Message)
				}
				found = true
				break
			}
		}
		if !found {
			rest = append(rest, f.named(x.Field)+x.Message)
		}
	}
	if len(e.Fields) == 0 {
		rest = append(rest, e.Detail)
	}
	if len(rest) == 0 {
		rest = []string{e.Detail}
	}
	return &note{Tone: "bad", Text: strings.Join(rest, " ")}, true
}

// named is a field that the page does not show, before what is wrong with it; nothing where the page has
// settled the field itself.
func (f *form) named(field string) string {
	for _, h := range f.Hidden {
		if h.Name == field {
			return ""
		}
	}
	return field + ": "
}

// inWords says on a page what an API answer says of its list of errors.
func (c *call) inWords(n *note, err error) {
	if e := errs.As(err); e.Code == errs.CodeInvalidParameters && n.Text == e.Detail && len(e.Fields) > 0 {
		n.Text = c.say("form.fields")
	}
}

// again shows a form with what was wrong with it.
func (c *call) again(p *page, f *form, err error) (answer, error) {
	n, ok := f.wrong(err)
	if !ok {
		return answer{}, err
	}
	c.inWords(n, err)
	p.refused = true
	p.Title = c.say("form.error", "title", p.Title)
	p.add(block{Note: n}, block{Form: f})
	return answer{page: p}, nil
}

// render writes the page.
func (d *Dashboard) render(c *call, status int, p *page) {
	if p.refused {
		status = http.StatusUnprocessableEntity
	}
	p.frame = d.frame(c, p)
	if p.Frames {
		ui.FrameHeaders(c.w.Header())
	}
	for i := range p.Blocks {
		p.Blocks[i].prepare()
	}
	var b bytes.Buffer
	if err := d.pages.ExecuteTemplate(&b, "page", p); err != nil {
		web.WriteProblem(c.w, c.r, err)
		return
	}
	h := c.w.Header()
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = b.WriteTo(c.w) // a reader that went away wants nothing more
	}
}

// prepare gives each cell the heading of its column, for narrow screens.
func (b *block) prepare() {
	if b.Table == nil {
		return
	}
	for _, r := range b.Table.Rows {
		for i := range r {
			if i < len(b.Table.Cols) {
				r[i].Col = b.Table.Cols[i]
			}
		}
	}
}

// menu is the application's sections, in the order of the menu.
func menu() []struct{ section, path string } {
	return []struct{ section, path string }{
		{"overview", ""},
		{"links", "/links"},
		{"accounts", "/accounts"},
		{"webhooks", "/webhooks"},
		{"keys", "/keys"},
		{"provider_apps", "/provider-apps"},
		{"members", "/members"},
		{"audit", "/audit"},
		{"settings", "/settings"},
	}
}

// settingsTabs are the pages of the section settings, in order. A route says with tab to which it belongs.
func settingsTabs() []struct{ tab, path string } {
	return []struct{ tab, path string }{
		{"general", "/settings"},
		{"email", "/settings/email"},
		{"templates", "/settings/templates"},
		{"mails", "/settings/mails"},
		{"signin", "/signin"},
		{"oidc", "/oidc-clients"},
		{"branding", "/branding"},
	}
}

func (d *Dashboard) frame(c *call, p *page) frame {
	f := frame{Assets: d.assets, Site: d.cfg.BaseURL.Hostname(), SignedIn: c.operator.ID != ""}
	if f.SignedIn {
		f.Who = c.operator.Shown()
	}
	if done := c.r.URL.Query().Get("done"); done != "" {
		f.Done = d.sayOr("done."+done, "")
	}
	if c.role == "" || p.Narrow {
		return f
	}
	f.App, f.AppHome, f.Test = c.app.Name, c.appPath(""), c.app.Test
	for _, m := range menu() {
		f.Menu = append(f.Menu, menuLink{link{d.say("menu." + m.section), c.appPath(m.path)}, m.section == c.rt.section})
	}
	if c.rt.section == "settings" {
		for _, t := range settingsTabs() {
			f.Tabs = append(f.Tabs, menuLink{link{d.say("tab." + t.tab), c.appPath(t.path)}, t.tab == c.rt.tab})
		}
	}
	return f
}

// when is a time as people read it, and as machines do.
func when(t time.Time) cell {
	if t.IsZero() {
		return cell{Text: "–"}
	}
	t = t.UTC()
	return cell{Text: t.Format("2 Jan 2006, 15:04"), Time: t.Format(time.RFC3339)}
}

func (c *call) status(kind, status string) cell {
	return cell{Text: c.d.sayOr(kind+"."+status, status), Badge: tone(status)}
}

// tone is the colour of a status. The word beside it says the same.
func tone(status string) string {
	switch status {
	case "OK", "completed", "delivered", "ok":
		return "good"
	case "CREDENTIALS", "PERMISSIONS", "failed", "ERROR", "gone":
		return "bad"
	case "CONNECTING", "in_progress", "pending":
		return "warn"
	}
	return "plain"
}
