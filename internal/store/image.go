package store

import (
	"context"

	"latchkey"
)

// Images are few for each application, and written once.
type Images interface {
	// Create fails with ErrConflict where the application has an image of the same Sum.
	Create(ctx context.Context, i latchkey.Image) error
	// Get finds an image by its id alone: browsers know no application.
	Get(ctx context.Context, id latchkey.ImageID) (latchkey.Image, error)
	// List returns all of the application's, oldest first, without their bodies.
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Image, error)
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.ImageID) error
}
