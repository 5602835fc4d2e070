package mailer

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/i18n"
	"latchkey/internal/store"
)

//go:embed texts/*.json
var texts embed.FS

//go:embed mail.html
var layout string

// words are the texts of all mails, and their one page.
type words struct {
	catalog *i18n.Catalog
	page    *template.Template
}

func loadWords() (words, error) {
	sub, err := fs.Sub(texts, "texts")
	if err != nil {
		return words{}, fmt.Errorf("mailer: texts: %w", err)
	}
	c, err := i18n.Load(sub)
	if err != nil {
		return words{}, fmt.Errorf("mailer: texts: %w", err)
	}
	page, err := template.New("mail").Parse(layout)
	if err != nil {
		return words{}, fmt.Errorf("mailer: the page of mails: %w", err)
	}
	return words{catalog: c, page: page}, nil
}

// Names of values that Queue's callers give and templates use.
const (
	ValueCode    = "code"
	ValueLink    = "link"
	ValueDevice  = "device"
	ValueTime    = "time"
	ValueInviter = "inviter"
	// ValueAccount and ValueProvider say which account; ValueReason is the code of what broke it.
	ValueAccount  = "account"
	ValueProvider = "provider"
	ValueReason   = "reason"
	// ValueOrigin is the host at which a phone may fill the code in by itself; empty leaves it out.
	ValueOrigin = "origin"
	// The application's colour, and what is written on it; our own mails have none.
	valueAccent = "accent"
	valueInk    = "ink"
)

// paint gives our own words the colours of the application.
func (s *Service) paint(ctx context.Context, tx store.Tx, values map[string]string, app latchkey.ApplicationID) {
	if s.cfg.Accent == nil || app == "" {
		return
	}
	values[valueAccent], values[valueInk] = s.cfg.Accent(ctx, tx, app)
}

// render makes the words of a mail in the reader's language: the application's own, if it has any.
func (s *Service) render(ctx context.Context, tx store.Tx, m Message, name string) (content, error) {
	lang := s.words.catalog.Negotiate(m.Locale)
	values := map[string]string{}
	for k, v := range m.Values {
		values[k] = oneLine(v)
	}
	values["app"] = oneLine(name)
	s.paint(ctx, tx, values, m.ApplicationID)
	values["minutes"] = strconv.Itoa(max(1, int(m.ExpiresAt.Sub(s.cfg.Now()).Round(time.Minute)/time.Minute)))
	if m.Kind == KindSignIn && m.ApplicationID != "" {
		t, found, err := own(ctx, tx, m, lang)
		if err != nil {
			return content{}, err
		}
		if found {
			return t.fill(lang, values), nil
		}
	}
	return s.words.render(m.Kind, lang, values)
}

// own finds the application's template for a language, or the one for all.
func own(ctx context.Context, tx store.Tx, m Message, lang string) (Template, bool, error) {
	for _, l := range []string{lang, AnyLocale} {
		set, err := tx.Settings().Get(ctx, m.ApplicationID, templateKind(l))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return Template{}, false, fmt.Errorf("mailer: a template: %w", err)
		}
		var t Template
		if err := json.Unmarshal(set.Body, &t); err != nil {
			return Template{}, false, fmt.Errorf("mailer: the template %s: %w", l, err)
		}
		return t, true, nil
	}
	return Template{}, false, nil
}

// block is a part of the page, in order.
type block struct {
	Text   string
	Code   string
	Link   string
	Button string
	Fine   bool
}

type page struct {
	Lang, Dir, Title string
	// Accent and Ink are "#rrggbb", both or none.
	Accent, Ink string
	Blocks      []block
}

// render fills our own words.
func (w words) render(kind, lang string, values map[string]string) (content, error) {
	say := func(key string) string {
		s, _ := w.catalog.Text(lang, kind+"."+key, values)
		return s
	}
	p := page{Lang: lang, Dir: i18n.Direction(lang), Title: say("title"), Accent: values[valueAccent], Ink: values[valueInk]}
	add := func(b block) {
		if b.Text != "" || b.Code != "" || b.Link != "" {
			p.Blocks = append(p.Blocks, b)
		}
	}
	if name, ok := w.catalog.Text(lang, "provider."+values[ValueProvider], nil); ok {
		values[ValueProvider] = name
	}
	add(block{Text: say("text")})
	if why := values[ValueReason]; why != "" {
		text, ok := w.catalog.Text(lang, kind+".why."+why, values)
		if !ok {
			text = say("why.generic")
		}
		add(block{Text: text})
	}
	if code := values[ValueCode]; code != "" {
		add(block{Text: say("code"), Code: code})
	}
	if link := values[ValueLink]; link != "" {
		add(block{Text: say("or"), Link: link, Button: say("button")})
	}
	add(block{Text: say("expires")})
	if values[ValueDevice] != "" {
		add(block{Text: say("asked"), Fine: true})
	}
	add(block{Text: say("ignore"), Fine: true})
	var html bytes.Buffer
	if err := w.page.Execute(&html, p); err != nil {
		return content{}, fmt.Errorf("mailer: a page: %w", err)
	}
	return content{Locale: lang, Subject: say("subject"), Text: p.text(values), HTML: html.String()}, nil
}

// text is the same for readers without HTML, and for those who listen.
func (p page) text(values map[string]string) string {
	var b strings.Builder
	b.WriteString(p.Title + "\r\n")
	for _, x := range p.Blocks {
		b.WriteString("\r\n")
		for _, line := range []string{x.Text, x.Code, x.Link} {
			if line != "" {
				b.WriteString(line + "\r\n")
			}
		}
	}
	// The last line lets phones fill the code in, on our page alone (WICG, “Delivering origin-bound
	// one-time codes”).
	if code, origin := values[ValueCode], values[ValueOrigin]; code != "" && origin != "" {
		b.WriteString("\r\n@" + origin + " #" + code + "\r\n")
	}
	return b.String()
}

// oneLine keeps a value from making lines of its own, in a subject or a text.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' }), " ")
}
