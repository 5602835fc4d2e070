package branding

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// SettingKind is where an application's branding is kept.
const SettingKind = "branding"

// Config is what a Service needs; all of it.
type Config struct {
	Store store.Store
	// BaseURL is where images are served, without a slash at its end.
	BaseURL string
	// Languages are those of the pages.
	Languages []string
	Now       func() time.Time
	Log       *slog.Logger
}

// Service looks after branding.
type Service struct {
	cfg     Config
	looks   *looks
	images  *imageCache
	drawing chan struct{}
}

// New makes a Service.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, looks: newLooks(), images: newImageCache(), drawing: make(chan struct{}, 1)}
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// Languages are those that words may be in.
func (s *Service) Languages() []string { return slices.Clone(s.cfg.Languages) }

// Stored is an application's branding as it is kept.
type Stored struct {
	Branding
	// UpdatedAt is zero where nothing was ever set.
	UpdatedAt time.Time
	// document is what is kept, to tell one branding from another.
	document string
}

// Get reads the application's branding.
func (s *Service) Get(ctx context.Context, app latchkey.ApplicationID) (Stored, error) {
	return read(ctx, s.cfg.Store, app)
}

func read(ctx context.Context, tx store.Tx, app latchkey.ApplicationID) (Stored, error) {
	doc, err := tx.Settings().Get(ctx, app, SettingKind)
	if errors.Is(err, store.ErrNotFound) {
		return Stored{}, nil
	}
	if err != nil {
		return Stored{}, err
	}
	out := Stored{UpdatedAt: doc.UpdatedAt, document: string(doc.Body)}
	if err := json.Unmarshal(doc.Body, &out.Branding); err != nil {
		return Stored{}, fmt.Errorf("branding: what is kept of %s: %w", app, err)
	}
	return out, nil
}

// Put replaces the application's branding. It returns what was kept, and what was left out of the header.
func (s *Service) Put(ctx context.Context, app latchkey.ApplicationID, b Branding) (Stored, []Removal, error) {
	return s.Change(ctx, app, func(Branding) Branding { return b })
}

// Change is Put of what change makes of the branding as it is. It may be called more than once.
func (s *Service) Change(ctx context.Context, app latchkey.ApplicationID, change func(Branding) Branding) (Stored, []Removal, error) {
	var out Stored
	var removed []Removal
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		// Images that are shown cannot be deleted meanwhile.
		if err := tx.Applications().Lock(ctx, app); err != nil {
			return err
		}
		was, err := read(ctx, tx, app)
		if err != nil {
			return err
		}
		var problems []errs.FieldError
		out.UpdatedAt = s.now()
		if out.Branding, removed, problems, err = s.plan(ctx, tx, app, change(was.Branding)); err != nil {
			return err
		}
		if len(problems) > 0 {
			return errs.InvalidFields(problems...)
		}
		body, err := json.Marshal(out.Branding)
		if err != nil {
			return err
		}
		return tx.Settings().Put(ctx, store.Setting{ApplicationID: app, Kind: SettingKind, Body: body, UpdatedAt: out.UpdatedAt})
	})
	if err != nil {
		return Stored{}, nil, appErr(err)
	}
	s.looks.forget(app)
	s.cfg.Log.InfoContext(ctx, "branding changed", slog.String("app_id", string(app)), slog.Int("removed", len(removed)))
	return out, removed, nil
}

// Check says everything that is wrong with a branding, and changes nothing.
func (s *Service) Check(ctx context.Context, app latchkey.ApplicationID, b Branding) ([]errs.FieldError, error) {
	_, _, problems, err := s.plan(ctx, s.cfg.Store, app, b)
	return problems, err
}

// plan makes of a branding what is kept of it.
func (s *Service) plan(ctx context.Context, tx store.Tx, app latchkey.ApplicationID, b Branding) (Branding, []Removal, []errs.FieldError, error) {
	images, err := tx.Images().List(ctx, app)
	if err != nil {
		return Branding{}, nil, nil, err
	}
	c := &checker{}
	b = c.check(b, s.cfg.Languages)
	for _, logo := range []struct {
		field string
		id    latchkey.ImageID
	}{{"logo", b.Logo}, {"logo_dark", b.LogoDark}} {
		if logo.id != "" && !has(images, logo.id) {
			c.fail(logo.field, errs.CodeInvalidValue, "There is no such image. Upload one first.")
		}
	}
	if b.LogoDark != "" && b.Logo == "" {
		c.fail("logo", errs.CodeRequired, "A logo for dark pages goes with one for light pages.")
	}
	var removed []Removal
	b.HeaderHTML, removed = s.header(c, b.HeaderHTML, images)
	slices.SortStableFunc(c.problems, func(a, b errs.FieldError) int { return strings.Compare(a.Field, b.Field) })
	return b, removed, c.problems, nil
}

// header checks and cleans header HTML.
func (s *Service) header(c *checker, src string, images []latchkey.Image) (string, []Removal) {
	const field = "header_html"
	src = strings.TrimSpace(src)
	if src == "" {
		return "", nil
	}
	if len(src) > MaxHeader || !utf8.ValidString(src) {
		c.fail(field, errs.CodeTooLong, "Header HTML may have 16 KiB at most.")
		return "", nil
	}
	out, removed := Clean(src, func(src string) (string, bool) {
		id := latchkey.ImageID(strings.TrimPrefix(strings.TrimPrefix(src, s.cfg.BaseURL), ImagePath))
		return ImagePath + string(id), has(images, id)
	})
	if n := utf8.RuneCountInString(strings.Join(strings.Fields(plainText(out)), " ")); n > MaxHeaderText {
		c.fail(field, errs.CodeTooLong, "Header HTML may show "+strconv.Itoa(MaxHeaderText)+" characters at most.")
	}
	if len(imagesIn(out)) > MaxHeaderImages {
		c.fail(field, errs.CodeTooLong, "Header HTML may show "+strconv.Itoa(MaxHeaderImages)+" images at most.")
	}
	if len(out) > 2*MaxHeader {
		c.fail(field, errs.CodeTooLong, "Header HTML may have 16 KiB at most.")
	}
	return out, removed
}

func has(images []latchkey.Image, id latchkey.ImageID) bool {
	return slices.ContainsFunc(images, func(i latchkey.Image) bool { return i.ID == id })
}

func appErr(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("application")
	}
	return err
}

// Reset takes the application's branding away. Its images stay.
func (s *Service) Reset(ctx context.Context, app latchkey.ApplicationID) error {
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		err := tx.Settings().Delete(ctx, app, SettingKind)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	s.looks.forget(app)
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "branding taken away", slog.String("app_id", string(app)))
	}
	return err
}

// What an application may upload: each picture costs a decoder's time.
const (
	uploadWindow = time.Hour
	maxUploads   = 60
)

func (s *Service) mayUpload(ctx context.Context, app latchkey.ApplicationID) error {
	now := s.cfg.Now()
	n, err := s.cfg.Store.Tries().Count(ctx, "images/"+string(app), uploadWindow, now)
	if err != nil || n <= maxUploads {
		return err
	}
	e := errs.New(errs.TooMany, errs.CodeTooManyRequests, "An application may upload "+strconv.Itoa(maxUploads)+" pictures an hour.")
	e.RetryAfter = now.Truncate(uploadWindow).Add(uploadWindow).Sub(now)
	return e
}

// AddImage keeps a picture for the application's pages, drawn anew. field is what the picture is called
// where something is wrong with it. The same picture again is the image that there is: made is false.
func (s *Service) AddImage(ctx context.Context, app latchkey.ApplicationID, data []byte, field string) (img latchkey.Image, made bool, err error) {
	if err := s.mayUpload(ctx, app); err != nil {
		return latchkey.Image{}, false, err
	}
	drawn, err := s.redraw(ctx, data, field)
	if err != nil {
		return latchkey.Image{}, false, err
	}
	now := s.now()
	drawn.ID, drawn.ApplicationID, drawn.CreatedAt = latchkey.NewImageID(now), app, now
	err = s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		img, made = drawn, true
		if err := tx.Applications().Lock(ctx, app); err != nil {
			return err
		}
		all, err := tx.Images().List(ctx, app)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(all, func(i latchkey.Image) bool { return bytes.Equal(i.Sum, drawn.Sum) }); i >= 0 {
			img, made = all[i], false
			return nil
		}
		if len(all) >= MaxImages {
			return errs.New(errs.Conflict, errs.CodeConflict, "An application may have "+strconv.Itoa(MaxImages)+" images. Delete one that is not shown.")
		}
		return tx.Images().Create(ctx, drawn)
	})
	if err != nil {
		return latchkey.Image{}, false, appErr(err)
	}
	s.cfg.Log.InfoContext(ctx, "image kept", slog.String("app_id", string(app)), slog.String("image_id", string(img.ID)), slog.Bool("new", made))
	return img, made, nil
}

// Images lists the application's images, oldest first, without their bodies.
func (s *Service) Images(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Image, error) {
	return s.cfg.Store.Images().List(ctx, app)
}

// Shown lists the images that a branding shows.
func (b Branding) Shown() []latchkey.ImageID {
	out := imagesIn(b.HeaderHTML)
	for _, id := range []latchkey.ImageID{b.Logo, b.LogoDark} {
		if id != "" {
			out = append(out, id)
		}
	}
	return out
}

// DeleteImage forgets an image that is shown nowhere.
func (s *Service) DeleteImage(ctx context.Context, app latchkey.ApplicationID, id latchkey.ImageID) error {
	err := s.cfg.Store.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Applications().Lock(ctx, app); err != nil {
			return err
		}
		b, err := read(ctx, tx, app)
		if err != nil {
			return err
		}
		if slices.Contains(b.Shown(), id) {
			return errs.New(errs.Conflict, errs.CodeConflict, "This image is shown, as a logo or in the header. Take it out there first.")
		}
		return tx.Images().Delete(ctx, app, id)
	})
	s.images.forget(id)
	if errors.Is(err, store.ErrNotFound) {
		return errs.NotFoundf("image")
	}
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "image deleted", slog.String("app_id", string(app)), slog.String("image_id", string(id)))
	}
	return err
}
