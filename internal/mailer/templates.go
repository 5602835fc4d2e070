package mailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/i18n"
	"latchkey/internal/store"
)

// OwnTemplate is an application's template, and since when.
type OwnTemplate struct {
	Locale string
	Template
	UpdatedAt time.Time
}

// Rendered is a mail as its reader would see it.
type Rendered struct {
	Locale, Subject, Text, HTML string
}

// Locales are the languages that mails have words in, and AnyLocale.
func (s *Service) Locales() []string { return append(s.words.catalog.Languages(), AnyLocale) }

func (s *Service) knownLocale(locale string) error {
	if !slices.Contains(s.Locales(), locale) {
		return errs.NotFoundf("language of mails")
	}
	return nil
}

// Templates lists the application's templates by language.
func (s *Service) Templates(ctx context.Context, app latchkey.ApplicationID) ([]OwnTemplate, error) {
	all, err := s.cfg.Store.Settings().List(ctx, app, templateKind(""))
	if err != nil {
		return nil, err
	}
	out := make([]OwnTemplate, len(all))
	for i, set := range all {
		if out[i], err = readTemplate(set); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readTemplate(set store.Setting) (OwnTemplate, error) {
	t := OwnTemplate{Locale: strings.TrimPrefix(set.Kind, templateKind("")), UpdatedAt: set.UpdatedAt}
	if err := json.Unmarshal(set.Body, &t.Template); err != nil {
		return t, fmt.Errorf("mailer: the template %s: %w", t.Locale, err)
	}
	return t, nil
}

// Template finds the application's template for a language.
func (s *Service) Template(ctx context.Context, app latchkey.ApplicationID, locale string) (OwnTemplate, error) {
	if err := s.knownLocale(locale); err != nil {
		return OwnTemplate{}, err
	}
	set, err := s.cfg.Store.Settings().Get(ctx, app, templateKind(locale))
	if errors.Is(err, store.ErrNotFound) {
		return OwnTemplate{}, errs.NotFoundf("template: mails in this language have our words")
	}
	if err != nil {
		return OwnTemplate{}, err
	}
	return readTemplate(set)
}

// OurTemplate has our own words for a language as a template, for whoever wants to change a few.
func (s *Service) OurTemplate(locale string) (Template, error) {
	if err := s.knownLocale(locale); err != nil {
		return Template{}, err
	}
	if locale == AnyLocale {
		locale = i18n.Fallback
	}
	// A link has to look like one while it is put into the page.
	const link = "https://link.invalid/"
	c, err := s.words.render(KindSignIn, locale, map[string]string{
		ValueCode: "{{code}}", ValueLink: link, ValueDevice: "{{device}}", ValueTime: "{{time}}", "app": "{{app.name}}", "minutes": "{{minutes}}",
	})
	place := strings.NewReplacer(link, "{{link}}", "\r\n", "\n")
	return Template{Subject: c.Subject, Text: place.Replace(c.Text), HTML: place.Replace(c.HTML)}, err
}

// PutTemplate sets the application's template for a language.
func (s *Service) PutTemplate(ctx context.Context, app latchkey.ApplicationID, locale string, t Template) (OwnTemplate, error) {
	if err := s.knownLocale(locale); err != nil {
		return OwnTemplate{}, err
	}
	if bad := t.Check(); len(bad) > 0 {
		return OwnTemplate{}, errs.InvalidFields(bad...)
	}
	body, err := json.Marshal(t)
	if err != nil {
		return OwnTemplate{}, err
	}
	set := store.Setting{ApplicationID: app, Kind: templateKind(locale), Body: body, UpdatedAt: s.now()}
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		store.AuditOf(ctx).Target(app, set.Kind)
		return tx.Settings().Put(ctx, set)
	})
	if err != nil {
		return OwnTemplate{}, err
	}
	s.cfg.Log.InfoContext(ctx, "mail template set", slog.String("application_id", string(app)), slog.String("locale", locale))
	return OwnTemplate{Locale: locale, Template: t, UpdatedAt: set.UpdatedAt}, nil
}

// DeleteTemplate goes back to our words for a language.
func (s *Service) DeleteTemplate(ctx context.Context, app latchkey.ApplicationID, locale string) error {
	if err := s.knownLocale(locale); err != nil {
		return err
	}
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		store.AuditOf(ctx).Target(app, templateKind(locale))
		return tx.Settings().Delete(ctx, app, templateKind(locale))
	})
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("template: mails in this language have our words")
	}
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "mail template deleted", slog.String("application_id", string(app)), slog.String("locale", locale))
	}
	return err
}

// Preview fills a template with values of nobody's. Without one it shows what readers of the language
// get now: the application's own template, or our words.
func (s *Service) Preview(ctx context.Context, app latchkey.Application, locale string, t *Template, link string) (Rendered, error) {
	if err := s.knownLocale(locale); err != nil {
		return Rendered{}, err
	}
	lang := locale
	if lang == AnyLocale {
		lang = i18n.Fallback
	}
	values := map[string]string{
		ValueCode: "123456", ValueLink: link, ValueDevice: "Firefox, Linux", ValueTime: s.now().Format("2006-01-02 15:04 UTC"),
		"app": oneLine(s.cfg.AppName(ctx, s.cfg.Store, app)), "minutes": "10",
	}
	if t == nil {
		kept, found, err := own(ctx, s.cfg.Store, Message{ApplicationID: app.ID}, locale)
		if err != nil {
			return Rendered{}, err
		}
		if !found {
			s.paint(ctx, s.cfg.Store, values, app.ID)
			c, err := s.words.render(KindSignIn, lang, values)
			return Rendered(c), err
		}
		t = &kept
	}
	if bad := t.Check(); len(bad) > 0 {
		return Rendered{}, errs.InvalidFields(bad...)
	}
	return Rendered(t.fill(lang, values)), nil
}

// Mails lists what became of the application's mail, newest first. Texts are not shown: they hold codes.
func (s *Service) Mails(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Mail, error) {
	all, err := s.cfg.Store.Mails().List(ctx, app, p)
	return withoutBodies(all), err
}

// MailsByStatus is Mails of those in one status.
func (s *Service) MailsByStatus(ctx context.Context, app latchkey.ApplicationID, st latchkey.MailStatus, p store.Page) ([]latchkey.Mail, error) {
	all, err := s.cfg.Store.Mails().ListByStatus(ctx, app, st, p)
	return withoutBodies(all), err
}

// Problems is Mails of those that failed or expired.
func (s *Service) Problems(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.Mail, error) {
	all, err := s.cfg.Store.Mails().ListEnded(ctx, app, p)
	return withoutBodies(all), err
}

func withoutBodies(all []latchkey.Mail) []latchkey.Mail {
	for i := range all {
		all[i].Body = nil
	}
	return all
}

// Mail finds one mail, without its text.
func (s *Service) Mail(ctx context.Context, app latchkey.ApplicationID, id latchkey.MailID) (latchkey.Mail, error) {
	m, err := s.cfg.Store.Mails().Get(ctx, app, id)
	if errors.Is(err, store.ErrNotFound) {
		return m, errs.NotFoundf("mail")
	}
	m.Body = nil
	return m, err
}
