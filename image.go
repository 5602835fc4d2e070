package latchkey

import "time"

// Image is a picture that an application uploaded for its end users' pages. It never changes: another
// picture is another image. Whoever knows its id may see it; ids cannot be guessed.
type Image struct {
	ID            ImageID
	ApplicationID ApplicationID
	// Type is image/png or image/jpeg: what is uploaded is drawn anew as one of these.
	Type string
	// Width and Height are in pixels, Size in bytes.
	Width, Height, Size int
	// Sum is SHA-256 of Body: an application keeps the same picture once.
	Sum []byte
	// Body is the file. Lists leave it out.
	Body      []byte
	CreatedAt time.Time
}
