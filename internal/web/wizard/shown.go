package wizard

import (
	"net/url"

	"latchkey/internal/connector"
	"latchkey/internal/hosted"
)

// shown is what may leave the house of a View. The engine keeps to it already; a mistake there must
// not become a leak here. Without the cookie that binds a flow there is a notice and its action,
// and before start the providers that the link offers; nothing else. No secret has a value.
func shown(v hosted.View) hosted.View {
	if !v.Bound {
		step := connector.Step{Kind: connector.KindNotice, ID: v.Step.ID, Actions: v.Step.Actions}
		if v.Step.Kind != connector.KindNotice {
			step = connector.Step{Kind: connector.KindNotice, ID: hosted.StepBound, Actions: []connector.Action{connector.ActTakeOver}}
		}
		v.Step, v.Version, v.FlowID, v.Result, v.Busy, v.Provider = step, 0, "", nil, false, ""
		if step.ID != hosted.StepStart {
			v.Choices = nil
		}
		if step.ID != hosted.StepUnavailable {
			v.Failure = nil
		}
		return v
	}
	fields := make([]connector.Field, len(v.Step.Fields))
	for i, f := range v.Step.Fields {
		if f.Secret() {
			f.Value = ""
		}
		fields[i] = f
	}
	v.Step.Fields = fields
	if v.Step.Kind == connector.KindRedirect {
		v.Step.URL = webURL(v.Step.URL)
	} else {
		v.Step.URL = ""
	}
	return v
}

// webURL returns raw if a browser may be sent there, else nothing.
func webURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return raw
}
