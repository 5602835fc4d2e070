package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"latchkey"
	"latchkey/internal/branding"
	"latchkey/internal/errs"
	"latchkey/internal/web"
)

// Branding looks after how applications' pages look.
type Branding interface {
	Get(ctx context.Context, app latchkey.ApplicationID) (branding.Stored, error)
	// Check says all that would be wrong with a branding.
	Check(ctx context.Context, app latchkey.ApplicationID, b branding.Branding) ([]errs.FieldError, error)
	Put(ctx context.Context, app latchkey.ApplicationID, b branding.Branding) (branding.Stored, []branding.Removal, error)
	Reset(ctx context.Context, app latchkey.ApplicationID) error
	AddImage(ctx context.Context, app latchkey.ApplicationID, data []byte, field string) (img latchkey.Image, made bool, err error)
	Images(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Image, error)
	DeleteImage(ctx context.Context, app latchkey.ApplicationID, id latchkey.ImageID) error
}

const (
	// maxDataURL is the largest picture as base64, and some.
	maxDataURL = branding.MaxUpload/3*4 + 100
	maxColor   = 16
	maxTexts   = 20
	maxTextKey = 40
)

// picture is a logo that came along as a data URL.
type picture struct {
	field string
	data  []byte
	to    *latchkey.ImageID
}

// readBranding reads the body of PUT /branding; see brandingRequest.
func readBranding(f *fields) (*branding.Branding, []picture) {
	b := &branding.Branding{Name: f.str("name", text{max: branding.MaxName, emptyAbsent: true})}
	var pictures []picture
	for _, x := range []struct {
		field string
		to    *latchkey.ImageID
	}{{"logo", &b.Logo}, {"logo_dark", &b.LogoDark}} {
		s := f.str(x.field, text{max: maxDataURL, trim: true, emptyAbsent: true})
		if !strings.HasPrefix(s, "data:") {
			*x.to = latchkey.ImageID(s)
			continue
		}
		data, ok := dataURL(s)
		if !ok {
			f.fail(x.field, errs.CodeInvalidValue, "This must be the id of an image, or a picture as data:image/png;base64,…")
			continue
		}
		pictures = append(pictures, picture{x.field, data, x.to})
	}
	f.within("colors", func(g *fields) {
		b.Colors = branding.Colors{
			Accent: g.str("accent", text{max: maxColor, emptyAbsent: true}), AccentText: g.str("accent_text", text{max: maxColor, emptyAbsent: true}),
			AccentDark: g.str("accent_dark", text{max: maxColor, emptyAbsent: true}), AccentDarkText: g.str("accent_dark_text", text{max: maxColor, emptyAbsent: true}),
		}
		if n, ok := g.integer("radius", 0, branding.MaxRadius); ok {
			b.Colors.Radius = &n
		}
	})
	f.within("links", func(g *fields) {
		link := text{max: maxURL, emptyAbsent: true}
		b.Links = branding.Links{Privacy: g.str("privacy", link), Terms: g.str("terms", link), Support: g.str("support", link)}
	})
	f.within("texts", func(g *fields) {
		for lang := range g.raw {
			if words := g.flatMap(lang, maxTexts, maxTextKey, 1000); words != nil {
				if b.Texts == nil {
					b.Texts = map[string]map[string]string{}
				}
				b.Texts[lang] = words
			}
		}
	})
	b.HeaderHTML = f.markup("header_html", branding.MaxHeader)
	return b, pictures
}

// within reads an object in a member, and names what is wrong with it by its whole name.
func (f *fields) within(name string, read func(*fields)) {
	v := f.get(name)
	if v == nil {
		return
	}
	g := &fields{lenient: f.lenient}
	if v[0] != '{' || json.Unmarshal(v, &g.raw) != nil {
		f.fail(name, errs.CodeInvalidType, "This must be an object.")
		return
	}
	read(g)
	if err := g.done(); err != nil {
		for _, p := range errs.As(err).Fields {
			p.Field = name + "." + p.Field
			f.problem = append(f.problem, p)
		}
	}
}

// markup reads a string that may have several lines.
func (f *fields) markup(name string, most int) string {
	v := f.get(name)
	if v == nil {
		return ""
	}
	s, ok := unquote(v)
	switch {
	case !ok:
		f.fail(name, errs.CodeInvalidType, "This must be a string.")
	case len(s) > most:
		f.fail(name, errs.CodeTooLong, "This may have 16 KiB at most.")
	default:
		return s
	}
	return ""
}

// dataURL reads a picture out of a data URL (RFC 2397), in base64.
func dataURL(s string) ([]byte, bool) {
	head, encoded, found := strings.Cut(s, ",")
	if !found || !strings.HasPrefix(head, "data:image/") || !strings.HasSuffix(head, ";base64") {
		return nil, false
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	return data, err == nil
}

// getBranding answers GET /branding.
func (a *API) getBranding(ctx context.Context, c *call) (answer, error) {
	if err := newQuery(c).finish(); err != nil {
		return answer{}, err
	}
	b, err := a.cfg.Branding.Get(ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, a.showBranding(b, nil)}, nil
}

// putBranding answers PUT /branding: what is left out is taken away.
func (a *API) putBranding(ctx context.Context, c *call) (answer, error) {
	if err := newQuery(c).finish(); err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	b, pictures := readBranding(f)
	if err := a.checkBranding(ctx, c, f, b, pictures); err != nil {
		return answer{}, err
	}
	for _, p := range pictures {
		img, _, err := a.cfg.Branding.AddImage(ctx, c.app.ID, p.data, p.field)
		if err != nil {
			return answer{}, err
		}
		*p.to = img.ID
	}
	kept, removed, err := a.cfg.Branding.Put(ctx, c.app.ID, *b)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, a.showBranding(kept, removed)}, nil
}

// checkBranding gathers what is wrong with the body, with the branding as a whole, and with pictures in it.
func (a *API) checkBranding(ctx context.Context, c *call, f *fields, b *branding.Branding, pictures []picture) error {
	problems, err := a.cfg.Branding.Check(ctx, c.app.ID, *b)
	if err != nil {
		return err
	}
	for _, p := range problems {
		// A dark logo needs a light one, which may be in the same body.
		alone := p.Field == "logo" && p.Code == errs.CodeRequired && slices.ContainsFunc(pictures, func(x picture) bool { return x.field == "logo" })
		if !alone && !f.failed(p.Field) {
			f.problem = append(f.problem, p)
		}
	}
	if len(f.problem) > 0 {
		for _, p := range pictures {
			if _, err := branding.Redraw(p.data, p.field); err != nil {
				f.problem = append(f.problem, errs.As(err).Fields...)
			}
		}
	}
	return f.done()
}

// deleteBranding answers DELETE /branding.
func (a *API) deleteBranding(ctx context.Context, c *call) (answer, error) {
	if err := newQuery(c).finish(); err != nil {
		return answer{}, err
	}
	if err := a.cfg.Branding.Reset(ctx, c.app.ID); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, brandingDeleted{Object: "BrandingDeleted"}}, nil
}

// addImage answers POST /branding/images.
func (a *API) addImage(ctx context.Context, c *call) (answer, error) {
	if err := newQuery(c).finish(); err != nil {
		return answer{}, err
	}
	data, err := uploaded(c)
	if err != nil {
		return answer{}, err
	}
	img, made, err := a.cfg.Branding.AddImage(ctx, c.app.ID, data, "image")
	if err != nil {
		return answer{}, err
	}
	status := http.StatusCreated
	if !made {
		status = http.StatusOK
	}
	b, err := a.cfg.Branding.Get(ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	return answer{status, a.showImage(img, b.Branding)}, nil
}

// readUpload reads a body that may hold a picture.
func readUpload(r *http.Request) ([]byte, error) { return web.ReadBody(r, web.MaxUpload) }

// uploaded finds the picture in a body: as it is, in a form as browsers and curl -F send it, or in JSON.
func uploaded(c *call) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	switch {
	case strings.HasPrefix(kind, "image/") || kind == "application/octet-stream":
		return c.body, nil
	case kind == "multipart/form-data":
		return formFile(c.body, params["boundary"])
	case kind == "" || kind == "application/json" || strings.HasSuffix(kind, "+json"):
		f, err := c.object()
		if err != nil {
			return nil, err
		}
		data := readImage(f)
		return data, f.done()
	}
	return nil, errs.New(errs.Invalid, errs.CodeUnsupportedMedia,
		"Send the picture as it is with its own Content-Type, as multipart/form-data with a file \"image\", or as JSON {\"image\":\"data:image/png;base64,…\"}.")
}

// readImage reads the body of POST /branding/images where it is JSON.
func readImage(f *fields) []byte {
	s := f.str("image", text{required: true, max: maxDataURL, trim: true})
	if s == "" {
		return nil
	}
	data, ok := dataURL(s)
	if !ok {
		f.fail("image", errs.CodeInvalidValue, "This must be a picture as data:image/png;base64,…")
	}
	return data
}

func formFile(body []byte, boundary string) ([]byte, error) {
	broken := errs.New(errs.Invalid, errs.CodeUnsupportedMedia, "This form could not be read.")
	if boundary == "" {
		return nil, broken
	}
	part, err := multipart.NewReader(bytes.NewReader(body), boundary).NextPart()
	if errors.Is(err, io.EOF) {
		return nil, errs.InvalidFields(errs.FieldError{Field: "image", Code: errs.CodeRequired, Message: "Send a file named \"image\"."})
	}
	if err != nil {
		return nil, broken
	}
	if part.FormName() != "image" {
		return nil, errs.InvalidFields(errs.FieldError{Field: showName(part.FormName()), Code: errs.CodeUnknownField, Message: "This route has no field of that name: send a file named \"image\"."})
	}
	data, err := io.ReadAll(part)
	if err != nil {
		return nil, broken
	}
	return data, nil
}

// listImages answers GET /branding/images, newest first like every list.
func (a *API) listImages(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	page := q.page("img_")
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	all, err := a.cfg.Branding.Images(ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	b, err := a.cfg.Branding.Get(ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(x latchkey.Image) bool { return page.Before != "" && string(x.ID) >= page.Before })
	slices.Reverse(all)
	all = all[:min(len(all), page.Limit+1)]
	all, cursor := paged(all, page.Limit, func(x latchkey.Image) string { return string(x.ID) })
	out := imageList{Object: "ImageList", Items: make([]image, len(all)), Cursor: cursor}
	for i, x := range all {
		out.Items[i] = a.showImage(x, b.Branding)
	}
	return answer{http.StatusOK, out}, nil
}

// deleteImage answers DELETE /branding/images/{id}.
func (a *API) deleteImage(ctx context.Context, c *call) (answer, error) {
	if err := newQuery(c).finish(); err != nil {
		return answer{}, err
	}
	if err := a.cfg.Branding.DeleteImage(ctx, c.app.ID, latchkey.ImageID(c.r.PathValue("id"))); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, imageDeleted{Object: "ImageDeleted"}}, nil
}
