package ui

import (
	"context"
	"log/slog"
	"net/http"

	"latchkey"
	"latchkey/internal/errs"
)

// Images finds what applications uploaded.
type Images interface {
	Image(ctx context.Context, id latchkey.ImageID) (latchkey.Image, error)
}

// RegisterImages adds the route of applications' images. They lie on our own origin, so they are never
// anything but images: drawn by us, named as what they are, and without any right should a browser open
// one as a page.
func RegisterImages(mux *http.ServeMux, images Images, log *slog.Logger) {
	mux.HandleFunc("GET /assets/brand/{id}", func(w http.ResponseWriter, r *http.Request) {
		img, err := images.Image(r.Context(), latchkey.ImageID(r.PathValue("id")))
		if err != nil {
			if errs.As(err).Kind != errs.NotFound {
				log.ErrorContext(r.Context(), "image not read", slog.String("cause", err.Error()))
				http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
				return
			}
			http.NotFound(w, r)
			return
		}
		if img.Type != "image/png" && img.Type != "image/jpeg" {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", img.Type)
		h.Set("Content-Disposition", "inline")
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex")
		h.Set("Cache-Control", immutable)
		write(w, r, img.Body)
	})
}
