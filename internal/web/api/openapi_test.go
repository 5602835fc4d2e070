package api

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/branding"
	"latchkey/internal/mailer"
)

func newDocumented(t *testing.T) *API {
	t.Helper()
	base, err := url.Parse(exampleBase)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{BaseURL: base, Now: time.Now, Version: "1.0.0"})
}

func documentedMailer(t *testing.T) *mailer.Service {
	t.Helper()
	m, err := mailer.New(mailer.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The description is what client generators read: it is held to the linter's recommended rules,
// with no warning left.
func TestDescriptionLints(t *testing.T) {
	t.Parallel()
	const dir = "../../../e2e/openapi"
	tool := filepath.Join(dir, "node_modules", ".bin", "redocly")
	if _, err := os.Stat(tool); err != nil {
		t.Fatalf("the linter is missing; run: npm ci --ignore-scripts --prefix e2e/openapi")
	}
	d, err := newDocumented(t).document()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, d.body, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool, "lint", "--extends=recommended", "--format=json", file)
	cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	out, err := cmd.Output()
	var report struct {
		Totals struct {
			Errors   int `json:"errors"`
			Warnings int `json:"warnings"`
		} `json:"totals"`
	}
	if jsonErr := json.Unmarshal(out, &report); jsonErr != nil {
		t.Fatalf("the linter said nothing that can be read: %v, %v\n%s", err, jsonErr, out)
	}
	if err != nil || report.Totals.Errors > 0 || report.Totals.Warnings > 0 {
		t.Errorf("the description does not lint clean: %v\n%s", err, out)
	}
}

// What the description says a body may hold is what the decoders ask for, and nothing else.
func TestDescriptionMatchesDecoders(t *testing.T) {
	t.Parallel()
	a := newDocumented(t)
	d, err := a.document()
	if err != nil {
		t.Fatal(err)
	}
	var o struct {
		Components struct {
			Schemas map[string]struct {
				Properties           map[string]any `json:"properties"`
				AdditionalProperties any            `json:"additionalProperties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(d.body, &o); err != nil {
		t.Fatal(err)
	}
	// Fields that are asked for only to be refused, or that are another name of a described one.
	undescribed := []string{"disabled_options", "unilogin", "country", "ip", "expires_on", "data"}
	for name, asked := range askedFields(t, a) {
		s, ok := o.Components.Schemas[name]
		if !ok {
			t.Errorf("%s is not described", name)
			continue
		}
		if s.AdditionalProperties != false {
			t.Errorf("%s says that unknown fields are fine", name)
		}
		var got []string
		for p := range s.Properties {
			got = append(got, p)
		}
		want := slices.DeleteFunc(asked, func(f string) bool { return slices.Contains(undescribed, f) })
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
			t.Errorf("%s: what is read and what is described differ (-read +described):\n%s", name, diff)
		}
	}
}

func askedFields(t *testing.T, a *API) map[string][]string {
	t.Helper()
	app := latchkey.Application{ID: "app_0", Test: false}
	out := map[string][]string{}
	f := &fields{}
	a.linkSpec(f, app)
	out["LinkRequest"] = f.asked
	f = &fields{}
	if _, err := a.formSpec(t.Context(), f, app); err != nil {
		t.Fatal(err)
	}
	out["FormRequest"] = f.asked
	f = &fields{}
	readAccount(f, app)
	out["AccountRequest"] = f.asked
	f = &fields{}
	readProviderApp(f)
	out["ProviderAppRequest"], out["ProviderAppChange"] = f.asked, f.asked
	f = &fields{}
	readReconnect(f, latchkey.Account{ID: exampleAccountID, Provider: latchkey.IMAP})
	out["ReconnectRequest"] = f.asked
	f = &fields{}
	readWebhook(f)
	out["WebhookRequest"], out["WebhookChange"] = f.asked, slices.Clone(f.asked)
	f = &fields{}
	readReplay(f, time.Now())
	out["ReplayRequest"] = f.asked
	f = &fields{}
	readListen(f, time.Now())
	out["ListenRequest"] = f.asked
	f = &fields{}
	readBranding(f)
	out["BrandingRequest"] = f.asked
	f = &fields{}
	readImage(f)
	out["ImageRequest"] = f.asked
	return out
}

// The examples of requests are taken as they are printed.
func TestExamplesAreTaken(t *testing.T) {
	t.Parallel()
	a := newDocumented(t)
	a.cfg.Now = func() time.Time { return time.Date(2030, 1, 31, 11, 0, 0, 0, time.UTC) }
	app := latchkey.Application{ID: "app_0"}
	read := func(t *testing.T, example any, decode func(*fields)) {
		t.Helper()
		body, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		f, err := decodeObject(body, false)
		if err != nil {
			t.Fatal(err)
		}
		decode(f)
		if err := f.done(); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, e := range linkExamples() {
		read(t, e, func(f *fields) { a.linkSpec(f, app) })
	}
	for _, e := range formExamples() {
		read(t, e, func(f *fields) {
			if _, err := a.formSpec(t.Context(), f, app); err != nil {
				t.Error(err)
			}
		})
	}
	for _, e := range accountExamples() {
		read(t, e, func(f *fields) { readAccount(f, app) })
	}
	for _, e := range providerAppExamples() {
		read(t, e, func(f *fields) {
			if err := f.whole(latchkey.ProviderApp{}, readProviderApp(f)); err != nil {
				t.Error(err)
			}
		})
	}
	for _, e := range providerAppChangeExamples() {
		read(t, e, func(f *fields) { readProviderApp(f) })
	}
	senders := mailer.NewSenders(mailer.SendersConfig{Mailer: documentedMailer(t)})
	for _, e := range senderExamples() {
		read(t, e, func(f *fields) {
			if _, problems := senders.Apply(latchkey.Sender{}, readSender(f)); len(problems) > 0 {
				t.Error(problems)
			}
		})
	}
	for _, e := range senderChangeExamples() {
		read(t, e, func(f *fields) { readSender(f) })
	}
	for _, e := range templateExamples() {
		read(t, e, func(f *fields) {
			if _, _, err := readTemplate(f); err != nil {
				t.Error(err)
			}
		})
	}
	for _, e := range webhookExamples() {
		read(t, e, func(f *fields) {
			spec, _ := readWebhook(f)
			if _, problems := spec.Apply(latchkey.Endpoint{Payload: latchkey.PayloadNative}, time.Now()); len(problems) > 0 {
				t.Error(problems)
			}
		})
	}
	for _, e := range webhookChangeExamples() {
		read(t, e, func(f *fields) { readWebhook(f) })
	}
	for _, e := range replayExamples() {
		read(t, e, func(f *fields) { readReplay(f, a.now().Add(2*time.Hour)) })
	}
	for _, e := range listenExamples() {
		read(t, e, func(f *fields) { readListen(f, time.Now()) })
	}
	for _, e := range brandingExamples() {
		read(t, e, func(f *fields) { readBranding(f) })
	}
	for _, e := range imageExamples() {
		read(t, e, func(f *fields) {
			if _, err := branding.Redraw(readImage(f), "image"); err != nil {
				t.Error(err)
			}
		})
	}
	for _, e := range reconnectExamples() {
		read(t, e, func(f *fields) { readReconnect(f, latchkey.Account{ID: exampleAccountID, Provider: latchkey.IMAP}) })
	}
}

// Every route is described, and its id is its own.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	a := newDocumented(t)
	seen := map[string]bool{}
	for _, rt := range a.routes() {
		if rt.doc.id == "" || rt.doc.summary == "" || rt.doc.text == "" || len(rt.doc.answers) == 0 || seen[rt.doc.id] {
			t.Errorf("%s %s is not described well: %+v", rt.method, rt.path, rt.doc)
		}
		seen[rt.doc.id] = true
		for name := range strings.SplitSeq(rt.path, "/") {
			if strings.HasPrefix(name, "{") && len(rt.doc.params) == 0 {
				t.Errorf("%s %s: %s is not described", rt.method, rt.path, name)
			}
		}
	}
}
