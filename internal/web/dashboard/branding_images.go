package dashboard

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"latchkey"
	"latchkey/internal/branding"
	"latchkey/internal/errs"
	"latchkey/internal/web"
)

// upload is the form that sends a picture.
type upload struct {
	Action string
	Use    field
	Errs   []string
}

// picture is an image with what can be done with it.
type picture struct {
	ID, Src, Sub string
	Uses         []string
	Acts         []button
}

// The uses of an image that a form can ask for.
const (
	useLogo     = "logo"
	useLogoDark = "logo_dark"
	useHeader   = "header"
	useNone     = "none"
)

func imagesPage(c *call) (answer, error) { return c.imagesAgain(nil) }

// imagesAgain is the page of images, with what was wrong with an upload.
func (c *call) imagesAgain(wrong []string) (answer, error) {
	all, err := c.d.cfg.Branding.Images(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	b, err := c.d.cfg.Branding.Get(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p := c.brandPage("images")
	if c.may(accessDeveloper) {
		use := c.r.PostFormValue("use")
		p.add(block{Upload: &upload{Action: c.brandingPath("/images"), Errs: wrong, Use: field{
			Name: "use", Label: c.say("branding.use"), Type: "select", Options: []option{
				{useLogo, c.say("branding.use_logo"), use == useLogo},
				{useLogoDark, c.say("branding.use_logo_dark"), use == useLogoDark},
				{useHeader, c.say("branding.use_header"), use == useHeader},
			},
		}}})
	}
	if wrong != nil {
		p.refused, p.Title = true, c.say("form.error", "title", p.Title)
	}
	if len(all) == 0 {
		return answer{page: p.add(block{Empty: &empty{Title: c.say("branding.images_none"), Text: c.say("branding.images_none_text")}})}, nil
	}
	slices.Reverse(all)
	var pictures []picture
	for _, img := range all {
		pictures = append(pictures, c.picture(img, b.Branding))
	}
	return answer{page: p.add(block{Gallery: pictures})}, nil
}

func (c *call) picture(img latchkey.Image, b branding.Branding) picture {
	const kib = 1 << 10
	out := picture{
		ID: string(img.ID), Src: branding.ImagePath + string(img.ID),
		Sub: c.say("branding.size", "width", strconv.Itoa(img.Width), "height", strconv.Itoa(img.Height), "size", strconv.Itoa((img.Size+kib-1)/kib)),
	}
	at := c.brandingPath("/images/" + string(img.ID))
	act := func(key, path string) {
		out.Acts = append(out.Acts, button{Text: c.say(key), Href: at + path, Post: true, Tone: "small", Label: c.say(key) + ": " + string(img.ID)})
	}
	if img.ID == b.Logo {
		out.Uses = append(out.Uses, c.say("branding.is_logo"))
	}
	if img.ID == b.LogoDark {
		out.Uses = append(out.Uses, c.say("branding.is_logo_dark"))
	}
	inHeader := slices.Contains(branding.Branding{HeaderHTML: b.HeaderHTML}.Shown(), img.ID)
	if inHeader {
		out.Uses = append(out.Uses, c.say("branding.is_header"))
	}
	if !c.may(accessDeveloper) {
		return out
	}
	if img.ID != b.Logo {
		act("branding.make_logo", "/use?as="+useLogo)
	}
	if b.Logo != "" && img.ID != b.LogoDark {
		act("branding.make_logo_dark", "/use?as="+useLogoDark)
	}
	if img.ID == b.Logo || img.ID == b.LogoDark {
		act("branding.unuse", "/use?as="+useNone)
	}
	if len(out.Uses) == 0 {
		out.Acts = append(out.Acts, button{Text: c.say("form.delete"), Href: at + "/delete", Tone: "small", Label: c.say("form.delete") + ": " + string(img.ID)})
	}
	return out
}

// readUpload reads the form of a picture. Only now it is known that its sender may send one.
func (c *call) readUpload() ([]byte, error) {
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, web.MaxUpload)
	err := c.r.ParseMultipartForm(web.MaxUpload)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, errs.InvalidFields(errs.FieldError{Field: "image", Code: errs.CodeTooLong, Message: "A picture may have 2 MiB at most."})
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, errs.CodeUnsupportedMedia, "This form could not be read.")
	}
	f, _, err := c.r.FormFile("image")
	if err != nil {
		return nil, errs.InvalidFields(errs.FieldError{Field: "image", Code: errs.CodeRequired, Message: "Choose a picture."})
	}
	defer f.Close()
	return io.ReadAll(f)
}

func uploadImage(c *call) (answer, error) {
	data, err := c.readUpload()
	if err == nil {
		var img latchkey.Image
		if img, _, err = c.d.cfg.Branding.AddImage(c.ctx, c.app.ID, data, "image"); err == nil {
			return c.use(img.ID, c.r.PostFormValue("use"))
		}
	}
	e := errs.As(err)
	switch {
	case len(e.Fields) > 0:
		return c.imagesAgain([]string{e.Fields[0].Message})
	case e.Kind == errs.Conflict || e.Kind == errs.TooMany:
		return c.imagesAgain([]string{e.Detail})
	}
	return answer{}, err
}

// use puts an image where it was asked for.
func (c *call) use(id latchkey.ImageID, as string) (answer, error) {
	back := c.brandingPath("/images?done=saved")
	if as == useHeader {
		return answer{to: back}, nil
	}
	_, _, err := c.d.cfg.Branding.Change(c.ctx, c.app.ID, func(b branding.Branding) branding.Branding {
		switch as {
		case useLogoDark:
			b.LogoDark = id
			if b.Logo == "" {
				b.Logo = id // one for dark pages goes with one for light pages
			}
		case useNone:
			if b.LogoDark == id {
				b.LogoDark = ""
			}
			if b.Logo == id {
				b.Logo, b.LogoDark = "", ""
			}
		default:
			b.Logo = id
		}
		return b
	})
	return answer{to: back}, err
}

// image finds the image that the path names among the application's own.
func (c *call) image() (latchkey.ImageID, error) {
	all, err := c.d.cfg.Branding.Images(c.ctx, c.app.ID)
	if err != nil {
		return "", err
	}
	id := latchkey.ImageID(c.id())
	if !slices.ContainsFunc(all, func(x latchkey.Image) bool { return x.ID == id }) {
		return "", errs.NotFoundf("image")
	}
	return id, nil
}

func useImage(c *call) (answer, error) {
	id, err := c.image()
	if err != nil {
		return answer{}, err
	}
	return c.use(id, c.r.URL.Query().Get("as"))
}

func askDeleteImage(c *call) (answer, error) {
	id, err := c.image()
	if err != nil {
		return answer{}, err
	}
	return c.ask(c.say("form.delete")+": "+string(id), c.say("branding.delete_lead"), c.say("form.delete"), c.r.URL.Path, c.brandingPath("/images"))
}

func deleteImage(c *call) (answer, error) {
	return answer{to: c.brandingPath("/images?done=deleted")}, c.d.cfg.Branding.DeleteImage(c.ctx, c.app.ID, latchkey.ImageID(c.id()))
}
