package wizard

import (
	"net/http"
	"slices"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/errs"
	"latchkey/internal/hosted"
	"latchkey/internal/i18n"
)

// This file says what the codes of a View mean: one method for each kind of code, with the keys in
// the order in which they are tried.

// speaker picks language and voice for a request: the reader's wish, then the link's, then the browser's.
func (z *Wizard) speaker(r *http.Request, v hosted.View) speaker {
	shared := z.words[""]
	lang := shared.Negotiate(r.URL.Query().Get("locale"), v.Link.Terms.Locale, r.Header.Get("Accept-Language"))
	cat, ok := z.words[v.Provider]
	if !ok {
		cat = shared
	}
	s := speaker{cat: cat, lang: lang, theme: z.theme(r.Context(), v.Application)}
	s.args = map[string]string{"app": s.theme.AppName, "site": z.site}
	if v.Provider != "" {
		s.args["provider"] = s.text("provider." + string(v.Provider))
	}
	return s
}

func (s speaker) title(v hosted.View) []i18n.Part {
	st := v.Step
	switch st.ID {
	case hosted.StepStart:
		if v.Link.Type == latchkey.LinkReconnect {
			return s.own("reconnect.title", "link.start.title.reconnect")
		}
		if len(v.Choices) == 1 {
			return s.own("start.title", "link.start.title."+string(v.Choices[0]), "link.start.title")
		}
		return s.own("start.title", "link.start.title")
	case hosted.StepFailed:
		if v.Failure != nil {
			return s.with(v.Failure.Args).parts("failure."+string(v.Failure.Code)+".title", "flow.failed.title")
		}
	}
	return orName(s.with(st.Args).parts(st.ID+".title"), st.ID)
}

func (s speaker) lead(v hosted.View) []i18n.Part {
	st := v.Step
	switch st.ID {
	case hosted.StepStart:
		if v.Link.Type == latchkey.LinkReconnect {
			return s.reason(v.Reason, "reconnect.text", "link.start.text.reconnect")
		}
		if len(v.Choices) == 1 {
			return s.own("start.text", "link.start.text."+string(v.Choices[0]), "link.start.text.one")
		}
		return s.own("start.text", "link.start.text")
	case hosted.StepFailed:
		if v.Failure != nil {
			return s.failure(v.Failure)
		}
	case hosted.StepDone:
		if v.Result != nil {
			return s.with(st.Args).own("done.text", "flow.done.text."+v.Result.State)
		}
	}
	return s.with(st.Args).parts(st.ID + ".text")
}

// reason says what broke, and then what to do, perhaps in the application's own words.
func (s speaker) reason(r latchkey.Reason, own, then string) []i18n.Part {
	why := s.parts("reason."+string(r), "reason.generic")
	return slices.Concat(why, []i18n.Part{{Text: " "}}, s.own(own, then))
}

func (s speaker) failure(f *hosted.Failure) []i18n.Part {
	c := string(f.Code)
	return s.with(f.Args).parts("failure."+c, "error."+c, "flow.failed.text")
}

func (s speaker) label(st connector.Step, f connector.Field) []i18n.Part {
	name := f.Label
	if name == "" {
		name = f.Name
	}
	return orName(s.with(st.Args).parts(st.ID+".field."+name, "field."+name), name)
}

func (s speaker) hint(st connector.Step, f connector.Field) []i18n.Part {
	name := f.Label
	if name == "" {
		name = f.Name
	}
	return s.with(st.Args).parts(st.ID+".field."+name+".hint", "field."+name+".hint")
}

func (s speaker) option(st connector.Step, o connector.Option) []i18n.Part {
	if o.Label != "" {
		return plain(o.Label)
	}
	t := s.with(st.Args).with(o.Args)
	return orName(t.parts(st.ID+".option."+o.ID, "provider."+o.ID, "option."+o.ID), o.ID)
}

func (s speaker) optionHint(st connector.Step, o connector.Option) []i18n.Part {
	t := s.with(st.Args).with(o.Args)
	return t.parts(st.ID+".option."+o.ID+".hint", "provider."+o.ID+".hint")
}

func (s speaker) progress(p connector.Progress) []i18n.Part {
	return orName(s.with(p.Args).parts("progress."+p.Code), p.Code)
}

func (s speaker) source(v connector.Verdict) []i18n.Part {
	return orName(s.with(v.Args).parts("source."+v.Source), v.Source)
}

func (s speaker) verdict(v connector.Verdict) []i18n.Part {
	if v.Code == "" {
		return nil
	}
	c := string(v.Code)
	return s.with(v.Args).parts("verdict."+c, "error."+c, "error.generic")
}

func (s speaker) note(n connector.Note) []i18n.Part {
	return orName(s.with(n.Args).parts("note."+n.Code), n.Code)
}

func (s speaker) noteText(n connector.Note) []i18n.Part {
	return s.with(n.Args).parts("note." + n.Code + ".text")
}

func (s speaker) issue(st connector.Step, e connector.FieldIssue) []i18n.Part {
	return s.with(st.Args).with(e.Args).parts(st.ID+".error."+string(e.Code), "error."+string(e.Code), "error.generic")
}

func (s speaker) warning(code string, args map[string]string) []i18n.Part {
	return s.with(args).parts("warning."+code, "error."+code)
}

// action names the button of an action.
func (s speaker) action(st connector.Step, a connector.Action) []i18n.Part {
	keys := []string{st.ID + ".action." + string(a)}
	if a == connector.ActSubmit {
		keys = append(keys, st.ID+".submit")
	}
	return orName(s.with(st.Args).parts(append(keys, "action."+string(a))...), string(a))
}

// errorPage says what kind of failure a status is.
func errorPage(status int) string {
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return "not_found"
	case http.StatusTooManyRequests:
		return "too_many"
	case http.StatusForbidden:
		return "cross_origin"
	case http.StatusServiceUnavailable:
		return "unavailable"
	}
	if status < http.StatusInternalServerError {
		return "bad_request"
	}
	return "internal"
}

// settled tells whether a step-level issue is said by the step's own words.
func settled(st connector.Step, e connector.FieldIssue) bool {
	return e.Field == "" && st.ID == hosted.StepWrongAccount && e.Code == errs.CodeWrongAccount
}
