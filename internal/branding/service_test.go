package branding_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/internal/branding"
	"latchkey/internal/errs"
	"latchkey/internal/pgtest"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type lab struct {
	*branding.Service
	store *sqlstore.Store
	clock *clock
	app   latchkey.ApplicationID
}

// replica is another process on the same database.
func (l *lab) replica() *branding.Service {
	return branding.New(branding.Config{
		Store: l.store, BaseURL: "https://latchkey.example", Languages: []string{"en", "de", "ar"}, Now: l.clock.now, Log: slog.New(slog.DiscardHandler),
	})
}

func engines(t *testing.T, test func(t *testing.T, l *lab)) {
	for name, options := range map[string]func(t *testing.T) sqlstore.Options{
		"sqlite": func(t *testing.T) sqlstore.Options {
			t.Helper()
			return sqlstore.Options{Path: filepath.Join(t.TempDir(), "test.db")}
		},
		"postgres": func(t *testing.T) sqlstore.Options { t.Helper(); return sqlstore.Options{URL: pgtest.URL(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.Now, o.Log = time.Now, slog.New(slog.DiscardHandler)
			db, err := sqlstore.OpenDatabase(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			ring, err := secret.LoadOrCreate(t.Context(), db.Keysets(), secret.NewMasterKey(), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			s, err := sqlstore.NewStore(db, ring)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			l := &lab{store: s, clock: &clock{at: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}}
			l.app = l.application(t, "Northwind")
			l.Service = l.replica()
			test(t, l)
		})
	}
}

func (l *lab) application(t *testing.T, name string) latchkey.ApplicationID {
	t.Helper()
	a := latchkey.Application{ID: latchkey.NewApplicationID(l.clock.now()), Name: name, WebhookSecret: "whsec_x", CreatedAt: l.clock.now()}
	if err := l.store.Applications().Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a.ID
}

func (l *lab) image(t *testing.T, app latchkey.ApplicationID, w int) latchkey.Image {
	t.Helper()
	img, _, err := l.AddImage(t.Context(), app, pngOf(t, picture(w, 10)), "image")
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func fieldsOf(err error) map[string]errs.Code {
	out := map[string]errs.Code{}
	for _, f := range errs.As(err).Fields {
		out[f.Field] = f.Code
	}
	return out
}

func TestPutAndLook(t *testing.T) {
	engines(t, func(t *testing.T, l *lab) {
		light, dark := l.image(t, l.app, 40), l.image(t, l.app, 50)
		radius := 0
		put := branding.Branding{
			Name: " Northwind CRM ", Logo: light.ID, LogoDark: dark.ID,
			Colors: branding.Colors{Accent: "#0A7A45", Radius: &radius},
			Texts: map[string]map[string]string{
				"de": {"start.title": "Postfach mit {app} verbinden", "footer": " "}, "*": {"footer": "© Northwind"},
			},
			Links:      branding.Links{Privacy: "https://northwind.example/privacy"},
			HeaderHTML: fmt.Sprintf(`<p onclick="x()">Hello <img src="%s"></p>`, dark.ID),
		}
		kept, removed, err := l.Put(t.Context(), l.app, put)
		if err != nil {
			t.Fatal(err)
		}
		want := put
		want.Name, want.Colors.Accent = "Northwind CRM", "#0a7a45"
		want.Texts = map[string]map[string]string{"de": {"start.title": "Postfach mit {app} verbinden"}, "*": {"footer": "© Northwind"}}
		want.HeaderHTML = `<p>Hello <img src="/assets/brand/` + string(dark.ID) + `" alt=""/></p>`
		got, err := l.Get(t.Context(), l.app)
		if err != nil || !cmp.Equal(got.Branding, want) || !cmp.Equal(kept.Branding, want) {
			t.Fatalf("kept (%v):\n%s", err, cmp.Diff(want, got.Branding))
		}
		if !slices.Equal(removed, []branding.Removal{{Code: "removed_attribute", Element: "p", Attribute: "onclick"}}) {
			t.Errorf("removed %v", removed)
		}
		look := l.Look(t.Context(), l.app)
		if look.Name != "Northwind CRM" || look.Logo != "/assets/brand/"+string(light.ID) || look.Header != want.HeaderHTML || look.Radius != 0 {
			t.Errorf("look: %+v", look)
		}
		if p := look.Palette; p.Accent != "#0a7a45" || p.Ink != "#ffffff" || branding.Contrast(p.AccentDark, "#17191e") < branding.MinVisible {
			t.Errorf("palette: %+v", p)
		}
		for _, tc := range [][3]string{{"de", "start.title", "Postfach mit {app} verbinden"}, {"en", "start.title", ""}, {"ar", "footer", "© Northwind"}, {"de", "footer", "© Northwind"}} {
			if got := look.Text(tc[0], tc[1]); got != tc[2] {
				t.Errorf("%s in %s: %q", tc[1], tc[0], got)
			}
		}

		// Another application has nothing of it, and cannot show its images.
		other := l.application(t, "Contoso")
		if got := l.Look(t.Context(), other); got.Name != "" || got.Logo != "" {
			t.Errorf("another application looks like %+v", got)
		}
		_, _, err = l.Put(t.Context(), other, branding.Branding{Logo: light.ID})
		if !cmp.Equal(fieldsOf(err), map[string]errs.Code{"logo": errs.CodeInvalidValue}) {
			t.Errorf("another's logo: %v", err)
		}
		_, removed, err = l.Put(t.Context(), other, branding.Branding{HeaderHTML: `<img src="` + string(light.ID) + `">x`})
		if err != nil || len(removed) != 1 || removed[0].Code != "removed_image" {
			t.Errorf("another's image in a header: %v, %v", removed, err)
		}
		if err := errs.As(l.DeleteImage(t.Context(), other, light.ID)); err.Code != errs.CodeNotFound {
			t.Errorf("deleting another's image: %v", err)
		}

		if err := l.Reset(t.Context(), l.app); err != nil {
			t.Fatal(err)
		}
		if got := l.Look(t.Context(), l.app); got.Name != "" || got.Header != "" || got.Radius != -1 {
			t.Errorf("after reset: %+v", got)
		}
	})
}

func TestEverythingWrongIsSaidAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, l *lab) {
		big := 99
		_, _, err := l.Put(t.Context(), l.app, branding.Branding{
			Name: "a\u202eb", Logo: "img_00000000000000000000000000",
			Colors: branding.Colors{Accent: "#ffee00", AccentDark: "#101010", Radius: &big},
			Texts: map[string]map[string]string{
				"fr": {"footer": "x"}, "en": {"consent.title": "x", "footer": strings.Repeat("x", 301), "start.text": "for {user}", "done.text": "a {"},
			},
			Links:      branding.Links{Privacy: "javascript:alert(1)", Terms: "http://acme.io", Support: "https://u:p@acme.io"},
			HeaderHTML: "<p>" + strings.Repeat("x ", branding.MaxHeaderText) + "</p>",
		})
		want := map[string]errs.Code{
			"name": errs.CodeInvalidValue, "logo": errs.CodeInvalidValue, "colors.accent": errs.CodeLowContrast, "colors.accent_dark": errs.CodeLowContrast,
			"colors.radius": errs.CodeOutOfRange, "texts.fr": errs.CodeUnsupported, "texts.en.consent.title": errs.CodeUnknownField, "texts.en.footer": errs.CodeTooLong,
			"texts.en.start.text": errs.CodeInvalidValue, "texts.en.done.text": errs.CodeInvalidValue,
			"links.privacy": errs.CodeInvalidURL, "links.terms": errs.CodeInvalidURL, "links.support": errs.CodeInvalidURL, "header_html": errs.CodeTooLong,
		}
		if diff := cmp.Diff(want, fieldsOf(err)); diff != "" {
			t.Error(diff)
		}
		for _, f := range errs.As(err).Fields {
			if strings.Contains(f.Message, "#ffee00") || strings.Contains(f.Message, "javascript") || strings.Contains(f.Message, "u:p") {
				t.Errorf("%s repeats the value: %s", f.Field, f.Message)
			}
			if f.Field == "colors.accent" && (!strings.Contains(f.Message, "1.1:1") || !strings.Contains(f.Message, "3:1")) {
				t.Errorf("the ratio is not said: %s", f.Message)
			}
		}
		if got, err := l.Get(t.Context(), l.app); err != nil || !got.UpdatedAt.IsZero() {
			t.Errorf("something was kept: %+v, %v", got, err)
		}
	})
}

func TestNearestColourPasses(t *testing.T) {
	engines(t, func(t *testing.T, l *lab) {
		for _, c := range []branding.Colors{{Accent: "#ffee00"}, {Accent: "#1f5eff", AccentDark: "#101010"}, {Accent: "#1f5eff", AccentText: "#3366ff"}} {
			_, _, err := l.Put(t.Context(), l.app, branding.Branding{Colors: c})
			fields := errs.As(err).Fields
			if len(fields) != 1 || fields[0].Code != errs.CodeLowContrast {
				t.Fatalf("%+v: %v", c, err)
			}
			i := strings.LastIndex(fields[0].Message, "#")
			near := fields[0].Message[i : i+7]
			switch fields[0].Field {
			case "colors.accent":
				c.Accent = near
			case "colors.accent_dark":
				c.AccentDark = near
			case "colors.accent_text":
				c.AccentText = near
			}
			if _, _, err := l.Put(t.Context(), l.app, branding.Branding{Colors: c}); err != nil {
				t.Errorf("the colour that was named, %s, is refused: %v", near, err)
			}
		}
	})
}

func TestImagesAreBounded(t *testing.T) {
	engines(t, func(t *testing.T, l *lab) {
		first := l.image(t, l.app, 1)
		again, made, err := l.AddImage(t.Context(), l.app, withText(pngOf(t, picture(1, 10))), "image")
		if err != nil || made || again.ID != first.ID {
			t.Errorf("the same picture: %v, %v, %v", again.ID, made, err)
		}
		for i := 2; i <= branding.MaxImages; i++ {
			l.image(t, l.app, i)
		}
		_, _, err = l.AddImage(t.Context(), l.app, pngOf(t, picture(100, 10)), "image")
		if errs.As(err).Code != errs.CodeConflict {
			t.Errorf("one too many: %v", err)
		}
		// What is shown stays.
		if _, _, err := l.Put(t.Context(), l.app, branding.Branding{HeaderHTML: `<img src="` + string(first.ID) + `">`}); err != nil {
			t.Fatal(err)
		}
		if err := l.DeleteImage(t.Context(), l.app, first.ID); errs.As(err).Code != errs.CodeConflict {
			t.Errorf("deleting what is shown: %v", err)
		}
		if err := l.Reset(t.Context(), l.app); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Image(t.Context(), first.ID); err != nil {
			t.Fatal(err)
		}
		if err := l.DeleteImage(t.Context(), l.app, first.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Image(t.Context(), first.ID); errs.As(err).Code != errs.CodeNotFound {
			t.Errorf("a deleted image: %v", err)
		}
		if _, err := l.Image(t.Context(), "img_../../etc/passwd"); errs.As(err).Code != errs.CodeNotFound {
			t.Errorf("no id: %v", err)
		}
		// Trying costs, too: an hour has its number.
		var last error
		for range 61 {
			if _, _, last = l.AddImage(t.Context(), l.app, []byte("no picture"), "image"); errs.As(last).Kind == errs.TooMany {
				break
			}
		}
		if e := errs.As(last); e.Kind != errs.TooMany || e.RetryAfter <= 0 || e.RetryAfter > time.Hour {
			t.Errorf("uploads have no limit: %v", last)
		}
		l.clock.advance(time.Hour)
		l.image(t, l.app, 200)
	})
}

// TestImagesAtOnce: the bound holds for those who upload at the same moment.
func TestImagesAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, l *lab) {
		var wg sync.WaitGroup
		for i := range branding.MaxImages + 10 {
			wg.Go(func() {
				_, _, err := l.replica().AddImage(context.WithoutCancel(t.Context()), l.app, pngOf(t, picture(i+1, 3)), "image")
				if err != nil && errs.As(err).Code != errs.CodeConflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		all, err := l.Images(t.Context(), l.app)
		if err != nil || len(all) != branding.MaxImages {
			t.Errorf("%d images, %v", len(all), err)
		}
	})
}

// TestLooksAreShared: one Look serves until another branding is set; other replicas see it within seconds.
func TestLooksAreShared(t *testing.T) {
	engines(t, func(t *testing.T, l *lab) {
		other := l.replica()
		before := other.Look(t.Context(), l.app)
		l.clock.advance(3 * time.Second)
		if other.Look(t.Context(), l.app) != before {
			t.Error("a branding that did not change has another Look")
		}
		if _, _, err := l.Put(t.Context(), l.app, branding.Branding{Name: "New"}); err != nil {
			t.Fatal(err)
		}
		if got := l.Look(t.Context(), l.app); got.Name != "New" {
			t.Errorf("here: %+v", got)
		}
		if got := other.Look(t.Context(), l.app); got != before {
			t.Errorf("there, too soon to read again: %+v", got)
		}
		l.clock.advance(2 * time.Second)
		if got := other.Look(t.Context(), l.app); got.Name != "New" {
			t.Errorf("there, two seconds later: %+v", got)
		}
		// A row that somebody else wrote is cleaned, too.
		err := l.store.Settings().Put(t.Context(), store.Setting{
			ApplicationID: l.app, Kind: branding.SettingKind, Body: []byte(`{"header_html":"<script>x</script><p onclick=x>ok</p>"}`), UpdatedAt: l.clock.now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		l.clock.advance(2 * time.Second)
		if got := other.Look(t.Context(), l.app); got.Header != "<p>ok</p>" {
			t.Errorf("a hostile row: %+v", got)
		}
		// Where nothing can be read, pages stay as they are.
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("gone"))
		l.clock.advance(2 * time.Second)
		if got := other.Look(ctx, l.app); got.Header != "<p>ok</p>" {
			t.Errorf("without a database: %+v", got)
		}
	})
}

func TestLargeImagesAreDrawnInTime(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 3840, 2160))
	data := pngOf(t, img)
	start := time.Now()
	if _, err := branding.Redraw(data, "image"); err != nil {
		t.Fatal(err)
	}
	t.Logf("the largest picture took %v", time.Since(start))
}
