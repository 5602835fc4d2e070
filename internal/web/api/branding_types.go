package api

import (
	"latchkey"
	"latchkey/internal/branding"
)

// brandingRequest describes the body of PUT /branding; readBranding reads it.
type brandingRequest struct {
	Name       string                       `json:"name,omitempty" maxLength:"100" doc:"What end users read as your application's name, on pages and in mails. Default: the application's name."`
	Logo       string                       `json:"logo,omitempty" doc:"An image's id, or a picture as data:image/png;base64,…, which becomes an image. It is shown 40 pixels high."`
	LogoDark   string                       `json:"logo_dark,omitempty" doc:"The same for dark pages. Default: logo."`
	Colors     brandingColors               `json:"colors,omitempty"`
	Texts      map[string]map[string]string `json:"texts,omitempty" doc:"Your own words by language (en, ar, de, es, fr, or * for those without) and key: start.title, start.text, reconnect.title, reconnect.text, consent.note, done.text, signin.title, signin.text, support, footer. Plain text; {app} is your application's name."`
	Links      brandingLinks                `json:"links,omitempty"`
	HeaderHTML string                       `json:"header_html,omitempty" maxLength:"16384" doc:"HTML for a box above each page's own words: text elements, https links, and images that you uploaded (src: an image's id or URL). What else is in it is taken out; warnings say what."`
}

type brandingColors struct {
	Accent         string `json:"accent,omitempty" pattern:"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$" doc:"The colour of main buttons. Its contrast with the page has to be 3:1."`
	AccentText     string `json:"accent_text,omitempty" pattern:"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$" doc:"What is written on it, with a contrast of 4.5:1. Default: white or a dark blue, whichever can be read."`
	AccentDark     string `json:"accent_dark,omitempty" pattern:"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$" doc:"The accent on dark pages. Default: accent, made lighter until it has 4.5:1. Yours needs 3:1."`
	AccentDarkText string `json:"accent_dark_text,omitempty" pattern:"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"`
	Radius         *int   `json:"radius,omitempty" minimum:"0" maximum:"24" doc:"How round corners are, in CSS pixels. Default: 14."`
}

type brandingLinks struct {
	Privacy string `json:"privacy,omitempty" maxLength:"2048" doc:"https only, like the others. They stand below each page."`
	Terms   string `json:"terms,omitempty" maxLength:"2048"`
	Support string `json:"support,omitempty" maxLength:"2048"`
}

// brandingAnswer is the branding as it is read.
type brandingAnswer struct {
	Object      string                       `json:"object" enum:"Branding"`
	Name        *string                      `json:"name"`
	Logo        *string                      `json:"logo"`
	LogoURL     *string                      `json:"logo_url"`
	LogoDark    *string                      `json:"logo_dark"`
	LogoDarkURL *string                      `json:"logo_dark_url"`
	Colors      brandingColorsRead           `json:"colors"`
	Texts       map[string]map[string]string `json:"texts" nullable:"false"`
	Links       brandingLinksRead            `json:"links"`
	HeaderHTML  *string                      `json:"header_html" doc:"As it is shown."`
	Contrast    []brandingContrast           `json:"contrast" nullable:"false" doc:"What the colours come to, those that follow from yours among them. Empty without an accent."`
	Warnings    []brandingWarning            `json:"warnings" nullable:"false" doc:"What was taken out of header_html just now."`
	UpdatedAt   *stamp                       `json:"updated_at" doc:"null where nothing was ever set."`
}

type brandingColorsRead struct {
	Accent         *string `json:"accent"`
	AccentText     *string `json:"accent_text"`
	AccentDark     *string `json:"accent_dark"`
	AccentDarkText *string `json:"accent_dark_text"`
	Radius         *int    `json:"radius"`
}

type brandingLinksRead struct {
	Privacy *string `json:"privacy"`
	Terms   *string `json:"terms"`
	Support *string `json:"support"`
}

type brandingContrast struct {
	Of    string  `json:"of" enum:"accent,accent_text,accent_dark,accent_dark_text"`
	Color string  `json:"color"`
	On    string  `json:"on"`
	Ratio float64 `json:"ratio"`
	Needs float64 `json:"needs"`
}

type brandingWarning struct {
	Code    string `json:"code" enum:"removed_element,removed_attribute,removed_link,removed_image"`
	Message string `json:"message"`
}

type brandingDeleted struct {
	Object string `json:"object" enum:"BrandingDeleted"`
}

type imageRequest struct {
	Image string `json:"image" doc:"A PNG, JPEG or GIF of at most 2 MiB and 8.2 megapixels, as data:image/png;base64,…"`
}

type image struct {
	Object    string `json:"object" enum:"Image"`
	ID        string `json:"id"`
	URL       string `json:"url" doc:"Where it is served, for ever the same. Whoever has it may see the image."`
	Type      string `json:"type" enum:"image/png,image/jpeg"`
	Width     int    `json:"width" doc:"In pixels, as it was drawn anew: 1000 at most."`
	Height    int    `json:"height"`
	Size      int    `json:"size" doc:"In bytes."`
	Shown     bool   `json:"shown" doc:"Whether the branding shows it. It can be deleted if not."`
	CreatedAt stamp  `json:"created_at"`
}

type imageList struct {
	Object string  `json:"object" enum:"ImageList"`
	Items  []image `json:"items" nullable:"false"`
	Cursor *string `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

type imageDeleted struct {
	Object string `json:"object" enum:"ImageDeleted"`
}

func (a *API) imageURL(id latchkey.ImageID) *string {
	if id == "" {
		return nil
	}
	return orNull(a.base + branding.ImagePath + string(id))
}

func (a *API) showImage(v latchkey.Image, b branding.Branding) image {
	out := image{
		Object: "Image", ID: string(v.ID), URL: *a.imageURL(v.ID), Type: v.Type, Width: v.Width, Height: v.Height, Size: v.Size, CreatedAt: at(v.CreatedAt),
	}
	for _, id := range b.Shown() {
		out.Shown = out.Shown || id == v.ID
	}
	return out
}

func (a *API) showBranding(b branding.Stored, removed []branding.Removal) brandingAnswer {
	out := brandingAnswer{
		Object: "Branding", Name: orNull(b.Name), Logo: orNull(string(b.Logo)), LogoURL: a.imageURL(b.Logo),
		LogoDark: orNull(string(b.LogoDark)), LogoDarkURL: a.imageURL(b.LogoDark),
		Colors: brandingColorsRead{
			Accent: orNull(b.Colors.Accent), AccentText: orNull(b.Colors.AccentText),
			AccentDark: orNull(b.Colors.AccentDark), AccentDarkText: orNull(b.Colors.AccentDarkText), Radius: b.Colors.Radius,
		},
		Texts: b.Texts, Links: brandingLinksRead{Privacy: orNull(b.Links.Privacy), Terms: orNull(b.Links.Terms), Support: orNull(b.Links.Support)},
		HeaderHTML: orNull(b.HeaderHTML), Contrast: []brandingContrast{}, Warnings: []brandingWarning{}, UpdatedAt: optional(&b.UpdatedAt),
	}
	if out.Texts == nil {
		out.Texts = map[string]map[string]string{}
	}
	for _, m := range b.Colors.Measure() {
		out.Contrast = append(out.Contrast, brandingContrast{Of: m.Of, Color: m.Color, On: m.On, Ratio: m.Rounded(), Needs: m.Needs})
	}
	for _, r := range removed {
		out.Warnings = append(out.Warnings, brandingWarning{Code: r.Code, Message: r.String()})
	}
	return out
}
