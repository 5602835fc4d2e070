package wizard

import (
	"strings"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/hosted"
)

// options are what there is to choose: a step's own, or the providers before start.
func (z *Wizard) options(v hosted.View) []connector.Option {
	if v.Step.ID != hosted.StepStart || len(v.Choices) < 2 {
		return v.Step.Options
	}
	var out []connector.Option
	for _, c := range v.Choices {
		out = append(out, connector.Option{ID: string(c)})
	}
	return out
}

// tilesOf renders choices: with a preferred one they are buttons, else tiles.
func (z *Wizard) tilesOf(p *page, s speaker, v hosted.View) {
	st := v.Step
	options := z.options(v)
	p.Choice = "provider"
	if st.Kind == connector.KindChoose && len(st.Fields) > 0 {
		p.Choice = st.Fields[0].Name
	}
	preferred := false
	for _, o := range options {
		preferred = preferred || o.Primary
	}
	for _, o := range options {
		if preferred {
			b := button{Name: p.Choice, Value: o.ID, Label: z.voice(s, o.ID).option(st, o), Hint: z.voice(s, o.ID).optionHint(st, o), Quiet: !o.Primary}
			p.Stacked = p.Stacked || b.Hint != nil
			p.Buttons = append(p.Buttons, b)
			continue
		}
		t := tile{ID: o.ID, Label: z.voice(s, o.ID).option(st, o), Hint: z.voice(s, o.ID).optionHint(st, o)}
		if p.Choice == "provider" {
			t.Icon = z.icons[latchkey.Provider(o.ID)]
			if t.Letter = "@"; o.ID != string(latchkey.IMAP) {
				t.Letter = initial(join(t.Label))
			}
		}
		p.Tiles = append(p.Tiles, t)
	}
}

// voice lets a provider's connector name it, where the option is a provider.
func (z *Wizard) voice(s speaker, id string) speaker {
	if cat, ok := z.words[latchkey.Provider(id)]; ok && id != "" {
		s.cat = cat
	}
	return s
}

func initial(s string) string {
	for _, r := range s {
		return strings.ToUpper(string(r))
	}
	return ""
}

// buttonsOf says what can be done: one main button, others below it, and the way out at the foot.
func (z *Wizard) buttonsOf(p *page, s speaker, v hosted.View) {
	st := v.Step
	add := func(to *[]button, a connector.Action) {
		*to = append(*to, button{Action: string(a), Name: "action", Value: string(a), Label: s.action(st, a), Quiet: true, Crumb: a == connector.ActBack})
	}
	for _, a := range []connector.Action{connector.ActResend, connector.ActRefresh, connector.ActSwitchMethod} {
		if !st.Offers(a) {
			continue
		}
		add(&p.More, a)
		if a == connector.ActRefresh && st.Kind == connector.KindDisplay && st.Payload == "" {
			p.More[len(p.More)-1].Quiet = false // there is nothing else to be done
		}
		if a == connector.ActResend {
			p.More[len(p.More)-1].Wait = s.countdown("page.resend_in", z.secondsLeft(st.ResendAt))
		}
	}
	for _, a := range []connector.Action{connector.ActBack, connector.ActCancel} {
		if st.Offers(a) {
			add(&p.Foot, a)
		}
	}
	for _, a := range []connector.Action{connector.ActSubmit, connector.ActStart, connector.ActTakeOver} {
		if st.Offers(a) && p.Main == nil {
			p.Main = &button{Action: string(a), Name: "action", Value: string(a), Label: s.action(st, a)}
		}
	}
}
