package branding

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"

	"latchkey"
	"latchkey/internal/errs"
)

// Bounds of images.
const (
	// MaxUpload is what may be sent, in bytes; MaxImage is what is kept of it.
	MaxUpload = 2 << 20
	MaxImage  = 512 << 10
	// MaxImages is how many an application may have.
	MaxImages = 20
	// maxPixels and maxEdge bound what is decoded: a few bytes can claim to be a gigabyte.
	maxPixels = 3840 * 2160
	maxEdge   = 8192
	// maxKept is the longer side of what is kept: the pages show less, on a screen of double density.
	maxKept     = 1000
	jpegQuality = 88
)

// The formats that are read, by what their first bytes say: the sender's word does not count.
const (
	typePNG  = "image/png"
	typeJPEG = "image/jpeg"
	typeGIF  = "image/gif"
)

func badImage(field string, code errs.Code, message string) error {
	return errs.InvalidFields(errs.FieldError{Field: field, Code: code, Message: message})
}

// Redraw decodes an uploaded picture and draws it anew, smaller if it is large: as JPEG where it was
// one, else as PNG. Metadata, further frames and whatever was hidden in the file are gone.
func Redraw(data []byte, field string) (latchkey.Image, error) {
	if len(data) == 0 {
		return latchkey.Image{}, badImage(field, errs.CodeRequired, "Send a picture.")
	}
	if len(data) > MaxUpload {
		return latchkey.Image{}, badImage(field, errs.CodeTooLong, "A picture may have 2 MiB at most.")
	}
	config, decode := reader(data)
	if decode == nil {
		return latchkey.Image{}, badImage(field, errs.CodeUnsupported,
			"This must be a PNG, JPEG or GIF. SVG and WebP are not taken: save the picture as PNG.")
	}
	size, err := config(bytes.NewReader(data))
	if err != nil {
		return latchkey.Image{}, badImage(field, errs.CodeInvalidValue, "This picture is damaged.")
	}
	if size.Width < 1 || size.Height < 1 || size.Width > maxEdge || size.Height > maxEdge || size.Width*size.Height > maxPixels {
		return latchkey.Image{}, badImage(field, errs.CodeOutOfRange, "A picture may have 8.2 megapixels at most, and 8192 pixels on a side.")
	}
	decoded, err := safely(decode, data)
	if err != nil {
		return latchkey.Image{}, badImage(field, errs.CodeInvalidValue, "This picture is damaged.")
	}
	return encode(shrink(decoded, maxKept), http.DetectContentType(data) == typeJPEG, field)
}

type (
	configFunc func(*bytes.Reader) (image.Config, error)
	decodeFunc func(*bytes.Reader) (image.Image, error)
)

func reader(data []byte) (configFunc, decodeFunc) {
	switch http.DetectContentType(data) {
	case typePNG:
		return func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) }, func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) }
	case typeJPEG:
		return func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) }, func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) }
	case typeGIF: // the first frame
		return func(r *bytes.Reader) (image.Config, error) { return gif.DecodeConfig(r) }, func(r *bytes.Reader) (image.Image, error) { return gif.Decode(r) }
	}
	return nil, nil
}

// safely keeps a decoder that stumbles over made-up data from taking the process along.
func safely(decode decodeFunc, data []byte) (img image.Image, err error) {
	defer func() {
		if r := recover(); r != nil {
			img, err = nil, fmt.Errorf("branding: a decoder failed: %v", r)
		}
	}()
	return decode(bytes.NewReader(data))
}

func encode(img *image.NRGBA, photo bool, field string) (latchkey.Image, error) {
	var b bytes.Buffer
	out := latchkey.Image{Type: typePNG, Width: img.Bounds().Dx(), Height: img.Bounds().Dy()}
	var err error
	if photo {
		out.Type = typeJPEG
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: jpegQuality})
	} else {
		err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, img)
	}
	if err != nil {
		return latchkey.Image{}, fmt.Errorf("branding: encode an image: %w", err)
	}
	if b.Len() > MaxImage {
		return latchkey.Image{}, badImage(field, errs.CodeTooLong, "This picture takes more than 512 KiB when it is drawn anew. Make it smaller, or save photographs as JPEG.")
	}
	sum := sha256.Sum256(b.Bytes())
	out.Body, out.Size, out.Sum = b.Bytes(), b.Len(), sum[:]
	return out, nil
}

// shrink returns the picture as NRGBA, no side longer than most. Each new pixel is the mean of those
// that it stands for, weighted by how opaque they are, so that edges get no dark seam.
func shrink(src image.Image, most int) *image.NRGBA {
	b := src.Bounds()
	w, h := b.Dx(), b.Dy()
	full := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.Draw(full, full.Bounds(), src, b.Min, draw.Src)
	longer := max(w, h)
	if longer <= most {
		return full
	}
	nw, nh := max(1, w*most/longer), max(1, h*most/longer)
	out := image.NewNRGBA(image.Rect(0, 0, nw, nh))
	for y := range nh {
		for x := range nw {
			out.SetNRGBA(x, y, mean(full, image.Rect(x*w/nw, y*h/nh, (x+1)*w/nw, (y+1)*h/nh)))
		}
	}
	return out
}

func mean(img *image.NRGBA, area image.Rectangle) color.NRGBA {
	var r, g, b, a, n uint64
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			p := img.NRGBAAt(x, y)
			r, g, b = r+uint64(p.R)*uint64(p.A), g+uint64(p.G)*uint64(p.A), b+uint64(p.B)*uint64(p.A)
			a, n = a+uint64(p.A), n+1
		}
	}
	if a == 0 || n == 0 {
		return color.NRGBA{}
	}
	return color.NRGBA{R: uint8(r / a), G: uint8(g / a), B: uint8(b / a), A: uint8(a / n)} //nolint:gosec // means of bytes
}

// redraw is Redraw, one at a time: a picture of the largest size takes some tens of megabytes.
func (s *Service) redraw(ctx context.Context, data []byte, field string) (latchkey.Image, error) {
	select {
	case s.drawing <- struct{}{}:
		defer func() { <-s.drawing }()
		return Redraw(data, field)
	case <-ctx.Done():
		return latchkey.Image{}, ctx.Err()
	}
}
