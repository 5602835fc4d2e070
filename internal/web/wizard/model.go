package wizard

import (
	"context"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"time"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/hosted"
	"latchkey/internal/i18n"
	"latchkey/internal/web/ui"
)

type pagePaths struct{ js string }

// page is all that the templates need, said already in the reader's language.
type page struct {
	Template  string
	Lang, Dir string
	DocTitle  string
	CSS, JS   string
	ThemeCSS  string
	Theme     ui.Theme
	// Under is the foot that an application may have.
	Under      template.HTML
	Test       string
	Who        []i18n.Part
	Self, Flow string
	Version    int64
	Step       string
	// Mark is the sign above the heading: "good", "bad" or none.
	Mark    string
	Heading []i18n.Part
	Lead    []i18n.Part
	Fine    [][]i18n.Part
	Summary *summary
	Issues  [][]i18n.Part
	Notes   []note
	// Verdicts stand apart; Progress and How are lists.
	Verdicts []verdict
	// Echoed are verdicts that only repeat what stands beside a field; they wait behind a fold.
	Echoed   []verdict
	Progress *progress
	How      [][]i18n.Part
	Fields   []field
	Groups   []group
	Choice   string
	Tiles    []tile
	Buttons  []button
	// Stacked puts the buttons below one another: they have hints.
	Stacked bool
	Display *display
	Proof   *proof
	// Go is where the browser is sent by itself: at once, or after GoAfter milliseconds.
	Go      string
	GoAfter int
	// Soon says so; it is shown only where the browser is really sent.
	Soon []i18n.Part
	// Away is a link to another site as the main button.
	Away *away
	Main *button
	More []button
	Foot []button
	// Poll is in milliseconds; Reload, for browsers without script, in seconds.
	Poll    int64
	Reload  int
	Consent *consent
	Say     map[string]string
}

type button struct {
	Action, Name, Value string
	Label, Hint         []i18n.Part
	Quiet, Crumb        bool
	Wait                *countdown
}

type countdown struct {
	Left int
	Text string // with {time} in it
	Now  string
}

type tile struct {
	ID          string
	Icon        template.HTML
	Letter      string
	Label, Hint []i18n.Part
}

type note struct {
	Level       string
	Title, Text []i18n.Part
	URL         string
	Link        string
	Lines       [][]i18n.Part
}

type verdict struct {
	OK             bool
	Title, Message []i18n.Part
	Server, Detail string
	State          string
}

type progress struct {
	Lines      []progressLine
	Done, Of   int
	Label      string
	Undecided  bool
	ListHidden bool
}

type progressLine struct {
	State string
	Said  string
	Text  []i18n.Part
}

type away struct {
	URL   string
	Label []i18n.Part
	Quiet bool
}

type consent struct {
	Title, Items, End []i18n.Part
	// Note is the application's own, below ours.
	Note        []i18n.Part
	Scopes      [][]i18n.Part
	StoredTitle []i18n.Part
	Stored      [][]i18n.Part
}

type summary struct {
	Title string
	Lines []summaryLine
}

type summaryLine struct {
	Field string
	Text  []i18n.Part
}

func (z *Wizard) theme(ctx context.Context, app latchkey.Application) ui.Theme {
	if z.cfg.Theme == nil {
		return ui.Theme{AppName: app.Name}
	}
	t := z.cfg.Theme(ctx, app)
	if t.AppName == "" {
		t.AppName = app.Name
	}
	return t
}

// frame is what every page has.
func (z *Wizard) frame(r *http.Request, s speaker) *page {
	p := &page{
		Lang: s.lang, Dir: i18n.Direction(s.lang), CSS: z.assets.PageCSS(s.theme.Scheme), JS: z.paths.js,
		Theme: s.theme, ThemeCSS: s.theme.Stylesheet(), Under: z.foot.HTML(s.theme, s.lang), Self: self(r), Say: map[string]string{},
	}
	for _, k := range []string{"copy", "copied", "show", "hide", "check_again", "new_tab", "details", "busy", "lost", "optional"} {
		p.Say[k] = s.text("page." + k)
	}
	return p
}

func flowPath(token string) string { return "/c/" + url.PathEscape(token) + "/flow" }

// model turns a View into a page.
func (z *Wizard) model(r *http.Request, token string, v hosted.View) (*page, error) {
	return z.modelOf(r, z.speaker(r, v), token, v)
}

func (z *Wizard) modelOf(r *http.Request, s speaker, token string, v hosted.View) (*page, error) {
	st := v.Step
	p := z.frame(r, s)
	p.Flow = flowPath(token)
	p.Template, p.Step, p.Version = string(st.Kind), st.ID, v.Version
	p.Heading, p.Lead = s.title(v), s.lead(v)
	if v.Application.Test {
		p.Test = s.text("page.test")
	}
	if busy := s.with(st.Args).text(st.ID + ".busy"); busy != "" {
		p.Say["busy"] = busy
	}
	p.Poll = poll(v).Milliseconds()
	z.bodyOf(p, s, v)
	z.buttonsOf(p, s, v)
	if err := z.kindOf(p, s, v); err != nil {
		return nil, err
	}
	if v.Step.ID == hosted.StepStart || v.Step.ID == hosted.StepPicker {
		p.Consent = s.consent(v)
	}
	p.DocTitle = s.docTitle(join(p.Heading), len(st.Errors) > 0)
	if p.Poll > 0 && len(st.Fields) == 0 {
		p.Reload = reloadAfter(p)
	}
	return p, nil
}

// reloadAfter is how many seconds a browser without script waits before it looks again.
func reloadAfter(p *page) int {
	const few, enoughToScan = 3, 10
	if p.Template == string(connector.KindDisplay) {
		return enoughToScan
	}
	return few
}

func (s speaker) docTitle(heading string, wrong bool) string {
	title := s.with(map[string]string{"title": heading}).text("page.title")
	if wrong {
		return s.with(map[string]string{"title": title}).text("page.title.error")
	}
	return title
}

// bodyOf fills in what any kind of step can have.
func (z *Wizard) bodyOf(p *page, s speaker, v hosted.View) {
	st := v.Step
	for _, n := range st.Notes {
		x := note{Level: string(n.Level), Title: s.note(n), Text: s.noteText(n), URL: webURL(n.URL)}
		if x.URL != "" {
			x.Link = s.with(n.Args).text("note."+n.Code+".link", "page.open")
		}
		p.Notes = append(p.Notes, x)
	}
	for _, x := range st.Verdicts {
		state := "page.failed"
		if x.OK {
			state = "page.works"
		}
		p.Verdicts = append(p.Verdicts, verdict{OK: x.OK, Title: s.source(x), Message: s.verdict(x), Server: x.Server, Detail: x.Detail, State: s.text(state)})
	}
	if echoes(st) {
		p.Verdicts, p.Echoed = nil, p.Verdicts
	}
	p.Progress = s.progressOf(st)
	p.How = lines(s.with(st.Args).parts(st.ID + ".how"))
	if fine := s.with(st.Args).parts(st.ID + ".fine"); fine != nil {
		p.Fine = append(p.Fine, fine)
	}
	z.fieldsOf(p, s, st)
}

// echoes tells whether the step's verdicts say nothing that the error beside its field does not say
// already: one password, refused by both servers. They must not push that field off a phone's page.
func echoes(st connector.Step) bool {
	if st.Kind != connector.KindForm || len(st.Errors) != 1 || st.Errors[0].Field == "" {
		return false
	}
	for _, v := range st.Verdicts {
		if v.OK || v.Code != st.Errors[0].Code {
			return false
		}
	}
	return true
}

// lines splits a text at its line breaks.
func lines(parts []i18n.Part) [][]i18n.Part {
	if len(parts) == 0 {
		return nil
	}
	out := [][]i18n.Part{nil}
	for _, part := range parts {
		if part.Data {
			out[len(out)-1] = append(out[len(out)-1], part)
			continue
		}
		rest := part.Text
		for {
			line, after, more := cutLine(rest)
			if line != "" {
				out[len(out)-1] = append(out[len(out)-1], i18n.Part{Text: line})
			}
			if !more {
				break
			}
			out = append(out, nil)
			rest = after
		}
	}
	return out
}

func (s speaker) progressOf(st connector.Step) *progress {
	if len(st.Progress) == 0 {
		if st.Kind == connector.KindWait {
			return &progress{Undecided: true, Label: s.text("page.working")}
		}
		return nil
	}
	p := &progress{Of: len(st.Progress), Label: s.text("page.progress")}
	for _, l := range st.Progress {
		if l.State == connector.ProgressOK {
			p.Done++
		}
		p.Lines = append(p.Lines, progressLine{State: string(l.State), Said: s.text("page.state." + string(l.State)), Text: s.progress(l)})
	}
	return p
}

// secondsLeft is how long until t, for a countdown; 0 if it is over.
func (z *Wizard) secondsLeft(t time.Time) int {
	if t.IsZero() {
		return 0
	}
	return max(0, int(math.Ceil(t.Sub(z.cfg.Now()).Seconds())))
}

func (s speaker) countdown(key string, left int) *countdown {
	if left <= 0 {
		return nil
	}
	c := &countdown{Left: left, Text: s.with(map[string]string{"time": "{time}"}).text(key)}
	c.Now = s.with(map[string]string{"time": fmt.Sprintf("%d:%02d", left/60, left%60)}).text(key)
	return c
}

// adminModel is what an administrator reads who came back from the consent of an organisation.
func (z *Wizard) adminModel(r *http.Request, answer hosted.AdminAnswer) *page {
	p := z.errorModel(r, http.StatusNotFound)
	s := speaker{cat: z.words[""], args: map[string]string{"site": z.site}}
	s.lang = s.cat.Negotiate(r.URL.Query().Get("locale"), r.Header.Get("Accept-Language"))
	key := "page.admin.refused"
	p.Mark = "bad"
	if answer == hosted.AdminConsented {
		key, p.Mark = "page.admin.consented", "good"
	}
	p.Step = key
	p.Heading, p.Lead = s.parts(key+".title"), s.parts(key+".text")
	p.DocTitle = join(p.Heading)
	return p
}

// errorModel is a page for a request without a step.
func (z *Wizard) errorModel(r *http.Request, status int) *page {
	s := speaker{cat: z.words[""], args: map[string]string{"site": z.site}}
	s.lang = s.cat.Negotiate(r.URL.Query().Get("locale"), r.Header.Get("Accept-Language"))
	p := z.frame(r, s)
	key := "page.error." + errorPage(status)
	p.Template, p.Step, p.Mark = "error", key, "bad"
	p.Heading, p.Lead = s.parts(key+".title"), s.parts(key+".text")
	p.DocTitle = join(p.Heading)
	if status != http.StatusNotFound && status != http.StatusGone {
		p.Away = &away{URL: p.Self, Label: s.parts("page.check_again"), Quiet: true}
	}
	return p
}
