package branding_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"

	"latchkey/internal/branding"
	"latchkey/internal/errs"
)

const canary = "canary-7f3a"

// picture is w by h: green, half of it see-through.
func picture(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			a := uint8(255)
			if x < w/2 {
				a = 0
			}
			img.SetNRGBA(x, y, color.NRGBA{R: 10, G: 122, B: 69, A: a})
		}
	}
	return img
}

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func chunk(kind string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// withText is the PNG with words in it that no reader sees, and a script behind its end.
func withText(p []byte) []byte {
	head := 8 + 25 // signature and IHDR
	out := append([]byte{}, p[:head]...)
	out = append(out, chunk("tEXt", []byte("Comment\x00"+canary))...)
	out = append(out, p[head:]...)
	return append(out, "<script>"+canary+"</script>"...)
}

// claims is a PNG whose header names a size that its data does not have.
func claims(w, h uint32) []byte {
	var z bytes.Buffer
	zw := zlib.NewWriter(&z)
	_, _ = zw.Write(make([]byte, 100))
	_ = zw.Close()
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	out := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(ihdr, 8, 6, 0, 0, 0))...)
	out = append(out, chunk("IDAT", z.Bytes())...)
	return append(out, chunk("IEND", nil)...)
}

func TestImagesAreDrawnAnew(t *testing.T) {
	exif := jpegOf(t, picture(40, 30))
	exif = append(append(append([]byte{}, exif[:2]...), append([]byte{0xff, 0xe1, 0, byte(2 + 6 + len(canary))}, "Exif\x00\x00"+canary...)...), exif[2:]...)
	var moving bytes.Buffer
	frame := image.NewPaletted(image.Rect(0, 0, 40, 30), color.Palette{color.Transparent, color.Black})
	if err := gif.EncodeAll(&moving, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		data          []byte
		kind          string
		width, height int
	}{
		"png":               {pngOf(t, picture(40, 30)), "image/png", 40, 30},
		"png with a secret": {withText(pngOf(t, picture(40, 30))), "image/png", 40, 30},
		"jpeg with exif":    {exif, "image/jpeg", 40, 30},
		"moving gif":        {moving.Bytes(), "image/png", 40, 30},
		"wide":              {pngOf(t, picture(3000, 1000)), "image/png", 1000, 333},
		"a line":            {pngOf(t, picture(4000, 1)), "image/png", 1000, 1},
	} {
		got, err := branding.Redraw(tc.data, "logo")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Type != tc.kind || got.Width != tc.width || got.Height != tc.height || got.Size != len(got.Body) || len(got.Sum) != 32 {
			t.Errorf("%s: %s, %d by %d, %d bytes", name, got.Type, got.Width, got.Height, got.Size)
		}
		if bytes.Contains(got.Body, []byte(canary)) {
			t.Errorf("%s: what was hidden in the file is still there", name)
		}
		img, _, err := image.Decode(bytes.NewReader(got.Body))
		if err != nil || img.Bounds().Dx() != tc.width {
			t.Errorf("%s: what is kept does not decode: %v", name, err)
		}
	}
}

// TestShrinkingKeepsTheColourOfEdges: what cannot be seen has no say in the colour of what can.
func TestShrinkingKeepsTheColourOfEdges(t *testing.T) {
	got, err := branding.Redraw(pngOf(t, picture(3333, 100)), "logo")
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(got.Body))
	if err != nil {
		t.Fatal(err)
	}
	for x := range img.Bounds().Dx() {
		if c := color.NRGBAModel.Convert(img.At(x, 5)).(color.NRGBA); c.A > 0 && (c.R != 10 || c.G != 122 || c.B != 69) {
			t.Fatalf("at %d the colour is %v", x, c)
		}
	}
}

func TestImagesThatAreRefused(t *testing.T) {
	noise := image.NewNRGBA(image.Rect(0, 0, 900, 900))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise.Pix {
		noise.Pix[i] = byte(r.Uint32())
	}
	whole := pngOf(t, picture(400, 300))
	for name, tc := range map[string]struct {
		data []byte
		code errs.Code
	}{
		"nothing":         {nil, errs.CodeRequired},
		"svg":             {[]byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), errs.CodeUnsupported},
		"svg as xml":      {[]byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`), errs.CodeUnsupported},
		"html":            {[]byte("<!doctype html><script>alert(1)</script>"), errs.CodeUnsupported},
		"webp":            {[]byte("RIFF\x24\x00\x00\x00WEBPVP8 \x18\x00\x00\x00"), errs.CodeUnsupported},
		"gif and script":  {[]byte("GIF89a/*" + strings.Repeat("x", 100) + "*/=1;alert(1)"), errs.CodeOutOfRange},
		"cut off":         {whole[:len(whole)/2], errs.CodeInvalidValue},
		"a gigapixel":     {claims(40_000, 40_000), errs.CodeOutOfRange},
		"a long gigabyte": {claims(1<<31-1, 1), errs.CodeOutOfRange},
		"less than said":  {claims(2000, 2000), errs.CodeInvalidValue},
		"too large":       {append(whole, make([]byte, branding.MaxUpload)...), errs.CodeTooLong},
		"noise":           {jpegToPNG(t, noise), errs.CodeTooLong},
	} {
		_, err := branding.Redraw(tc.data, "image")
		e := errs.As(err)
		if err == nil || e.Kind != errs.Invalid || len(e.Fields) != 1 || e.Fields[0].Field != "image" || e.Fields[0].Code != tc.code {
			t.Errorf("%s: %v, want %s", name, err, tc.code)
		}
	}
}

// jpegToPNG keeps the upload itself below its limit: as a PNG this noise would be too large to send.
func jpegToPNG(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	gray := image.NewGray(img.Bounds())
	for i := range gray.Pix {
		gray.Pix[i] = img.(*image.NRGBA).Pix[4*i]
	}
	if err := png.Encode(&b, gray); err != nil {
		t.Fatal(err)
	}
	if b.Len() > branding.MaxUpload {
		t.Fatalf("the noise has %d bytes", b.Len())
	}
	return b.Bytes()
}

func FuzzRedraw(f *testing.F) {
	f.Add(pngOf(f, picture(20, 10)))
	f.Add(jpegOf(f, picture(20, 10)))
	f.Add(withText(pngOf(f, picture(3, 3))))
	f.Add(claims(3000, 2))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := branding.Redraw(data, "image")
		if err != nil {
			if errs.As(err).Kind != errs.Invalid {
				t.Fatalf("%v", err)
			}
			return
		}
		if got.Size > branding.MaxImage || got.Width > 1000 || got.Height > 1000 {
			t.Fatalf("%d bytes, %d by %d", got.Size, got.Width, got.Height)
		}
		if _, _, err := image.Decode(bytes.NewReader(got.Body)); err != nil {
			t.Fatal(err)
		}
	})
}
