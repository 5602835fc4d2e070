package wizard

import (
	"bytes"
	"context"
	"net/http"
	"net/url"

	"latchkey"
	"latchkey/internal/connector"
	"latchkey/internal/hosted"
)

// Preview renders the first page of an application's links, as the reader of a language sees it, held to
// a scheme. It leads nowhere: whoever shows it lets it neither run nor post anything.
func (z *Wizard) Preview(ctx context.Context, app latchkey.Application, lang, scheme string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/?"+url.Values{"locale": {lang}}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	v := hosted.View{
		Application: app, Link: latchkey.Link{Type: latchkey.LinkCreate}, Status: latchkey.FlowCreated,
		Step:    connector.Step{Kind: connector.KindNotice, ID: hosted.StepStart, Actions: []connector.Action{connector.ActStart}},
		Choices: []latchkey.Provider{latchkey.Google, latchkey.Microsoft, latchkey.IMAP}, Scopes: []string{"mail.read", "mail.send"},
	}
	s := z.speaker(r, v)
	s.theme.Scheme = scheme
	p, err := z.modelOf(r, s, "preview", v)
	if err != nil {
		return nil, err
	}
	p.Self, p.Flow = "#", ""
	var b bytes.Buffer
	err = z.pages[p.Template].ExecuteTemplate(&b, "layout", p)
	return b.Bytes(), err
}
