package wizard

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"regexp"
	"strings"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/hosted"
	"latchkey/internal/i18n"
	"latchkey/internal/web/ui"
)

// display is something to scan or to type elsewhere.
type display struct {
	QR      template.HTML
	Code    string
	Long    bool // to be copied, not to be typed
	Compare bool // to be found again on another screen: a copy is of no use
	Expires *countdown
	Attempt string
}

// proof is a challenge to solve, or something that the browser holds.
type proof struct {
	Prompt string
	Image  template.URL
	Alt    string
	URL    string
	Link   string
}

// goodbye is how long the page that says "connected" stays before the browser goes on by itself.
const goodbye = 2500

// kindOf fills in what only one kind of step has.
func (z *Wizard) kindOf(p *page, s speaker, v hosted.View) error {
	switch v.Step.Kind {
	case connector.KindChoose:
		z.tilesOf(p, s, v)
		if len(p.Tiles)+len(p.Buttons) > 0 {
			p.Main = nil
		}
	case connector.KindRedirect:
		p.Go = v.Step.URL
		p.Main = nil
		if p.Go != "" {
			p.Away = &away{URL: p.Go, Label: s.action(v.Step, connector.ActSubmit)}
		}
	case connector.KindDisplay:
		return z.displayOf(p, s, v.Step)
	case connector.KindWait:
		p.Main = nil
		if v.Step.Offers(connector.ActSubmit) {
			p.Main = &button{Name: "action", Value: string(connector.ActSubmit), Label: s.action(v.Step, connector.ActSubmit)}
		}
	case connector.KindChallenge, connector.KindExtension:
		p.Proof = s.proof(v.Step)
		if v.Step.Payload != "" { // what is to be run or typed where the proof is made
			return z.displayOf(p, s, v.Step)
		}
	case connector.KindNotice:
		z.noticeOf(p, s, v)
	case connector.KindForm:
	}
	return nil
}

// longCode is what is still typed off a screen. What is longer, such as a link, is to be copied, and
// is shown in the size of text.
const longCode = 40

func (z *Wizard) displayOf(p *page, s speaker, st connector.Step) error {
	d := &display{Expires: s.countdown("page.renewed_in", z.secondsLeft(st.ExpiresAt))}
	if st.Payload == "" && st.Kind == connector.KindDisplay && len(p.Issues) > 0 {
		p.Display, p.Lead = d, nil // how to scan or to type it helps nobody when there is nothing
		return nil
	}
	if st.Attempt > 0 && st.Attempts > 0 {
		d.Attempt = s.with(map[string]string{"attempt": itoa(st.Attempt), "attempts": itoa(st.Attempts)}).text("page.attempt")
	}
	p.Display = d
	if st.Payload == "" {
		return nil
	}
	if st.Display != connector.DisplayQR {
		d.Code, d.Long = st.Payload, len(st.Payload) > longCode
		d.Compare = st.Kind == connector.KindDisplay && st.Offers(connector.ActSubmit)
		return nil
	}
	label := s.text("page.qr")
	if st.Offers(connector.ActSwitchMethod) {
		label = s.text("page.qr.or_code")
	}
	var err error
	d.QR, err = ui.QR(st.Payload, label)
	return err
}

// imageURL is what an image of a challenge may look like: the bytes themselves, in a format that
// cannot hold a script.
func imageURL() *regexp.Regexp {
	return regexp.MustCompile(`^data:image/(?:png|jpeg|gif|webp);base64,([A-Za-z0-9+/=]+)$`)
}

// proof reads the description of a challenge or an extension: {"type","prompt","image","url"}.
func (s speaker) proof(st connector.Step) *proof {
	var extra struct {
		Prompt string `json:"prompt"`
		Image  string `json:"image"`
		URL    string `json:"url"`
	}
	if len(st.Extra) == 0 || json.Unmarshal(st.Extra, &extra) != nil {
		return nil
	}
	out := &proof{Prompt: extra.Prompt, URL: webURL(extra.URL), Alt: s.text("page.challenge")}
	if m := imageURL().FindStringSubmatch(extra.Image); m != nil {
		if _, err := base64.StdEncoding.DecodeString(m[1]); err == nil {
			out.Image = template.URL(extra.Image) //nolint:gosec // matched above: an image's own bytes
		}
	}
	if out.URL != "" {
		out.Link = s.text(st.ID+".link", "page.open")
	}
	if *out == (proof{Alt: out.Alt}) {
		return nil
	}
	return out
}

// noticeOf dresses the engine's own notices.
func (z *Wizard) noticeOf(p *page, s speaker, v hosted.View) {
	switch v.Step.ID {
	case hosted.StepStart:
		p.Who = s.parts("page.who")
		if v.Link.Type == latchkey.LinkReconnect {
			p.Who = s.parts("page.who.reconnect")
		}
		z.tilesOf(p, s, v)
		if len(p.Tiles) > 0 {
			p.Main = nil
		}
	case hosted.StepDone:
		z.doneOf(p, s, v)
	case hosted.StepFailed, hosted.StepCanceled, hosted.StepUnavailable:
		p.Mark = "bad"
		if v.Step.ID == hosted.StepCanceled {
			p.Mark = ""
		}
		z.endOf(p, s, v)
	case hosted.StepExpired, hosted.StepWrongAccount:
		p.Mark = "bad"
	case hosted.StepUsed:
		p.Mark = "good"
	}
}

func (z *Wizard) doneOf(p *page, s speaker, v hosted.View) {
	p.Mark, p.Main = "good", nil
	if v.Result == nil {
		return
	}
	if who := cmp.Or(v.Result.Shown, v.Result.Identity); who != "" {
		p.Notes = append(p.Notes, note{Level: "good", Title: plain(who), Text: s.parts("flow.done.works")})
	}
	var warned [][]i18n.Part
	for _, w := range v.Result.Warnings {
		if t := s.warning(w, v.Step.Args); t != nil {
			warned = append(warned, t)
		}
	}
	if len(warned) > 0 {
		p.Notes = append(p.Notes, note{Level: "warn", Title: s.parts("flow.done.but"), Lines: warned})
	}
	to := webURL(v.Result.RedirectURL)
	if to == "" {
		p.Fine = append(p.Fine, s.parts("flow.done.close"))
		return
	}
	p.Away = &away{URL: to, Label: s.parts("flow.done.return")}
	switch {
	case v.Link.Terms.BypassSuccess:
		p.Go = to
	case len(warned) == 0:
		p.Go, p.GoAfter = to, goodbye
		p.Soon = s.parts("flow.done.soon")
	}
}

// endOf offers the next try and the way back to the application.
func (z *Wizard) endOf(p *page, s speaker, v hosted.View) {
	if v.Failure == nil {
		return
	}
	to := webURL(v.Failure.RedirectURL)
	if to == "" {
		return
	}
	p.Away = &away{URL: to, Label: s.parts("flow.failed.return"), Quiet: p.Main != nil}
	if v.Status == latchkey.FlowCanceled {
		p.Go = to
	}
}

// consent says what the application will be able to do. It is ours, and on every first page.
func (s speaker) consent(v hosted.View) *consent {
	c := &consent{
		Title: s.parts("consent.title"), End: s.parts("consent.end"),
		Note:        s.theme.Own(s.lang, "consent.note"),
		StoredTitle: s.parts("consent.stored.title"), Stored: lines(s.parts("consent.stored.text")),
	}
	for _, code := range v.Scopes {
		if line := s.parts("scope." + code); line != nil {
			c.Scopes = append(c.Scopes, line)
		}
	}
	if len(c.Scopes) == 0 {
		c.Scopes = [][]i18n.Part{s.parts("scope.generic")}
	}
	return c
}

func cutLine(s string) (line, after string, more bool) { return strings.Cut(s, "\n") }
