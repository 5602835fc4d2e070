package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/store"
)

func image(app latchkey.ApplicationID, at time.Time, size int) latchkey.Image {
	return latchkey.Image{
		ID: latchkey.NewImageID(at), ApplicationID: app, Type: "image/png", Width: 40, Height: 30, Size: size,
		Sum: random(32), Body: random(size), CreatedAt: ms(at),
	}
}

func testImages(t *testing.T, s store.Store) {
	twice(t, s, testImageRoundTrip)
	t.Run("one picture is kept once", func(t *testing.T) {
		v := image(newApp(), moment(), 100)
		kept, errs := race(parallel, func(i int) error {
			w := v
			w.ID = latchkey.NewImageID(moment().Add(time.Duration(i) * time.Second))
			return s.Images().Create(t.Context(), w)
		})
		want(t, "kept", kept, 1)
		onlyErr(t, "the same picture", errs, store.ErrConflict)
	})
}

func testImageRoundTrip(t *testing.T, ctx context.Context, tx store.Tx) {
	// More than a page of either engine, and bytes that are no text.
	v := image(newApp(), moment(), 300_000)
	ok(t, "create", tx.Images().Create(ctx, v))
	wantErr(t, "create again", tx.Images().Create(ctx, v), store.ErrConflict)
	got, err := tx.Images().Get(ctx, v.ID)
	ok(t, "get", err)
	want(t, "get", got, v)

	// Another application may have the same picture: that says nothing of ours.
	other := v
	other.ID, other.ApplicationID = latchkey.NewImageID(moment().Add(time.Second)), newApp()
	ok(t, "another's copy", tx.Images().Create(ctx, other))

	second := image(v.ApplicationID, moment().Add(time.Minute), 10)
	ok(t, "create a second", tx.Images().Create(ctx, second))
	list, err := tx.Images().List(ctx, v.ApplicationID)
	ok(t, "list", err)
	listed := []latchkey.Image{v, second}
	for i := range listed {
		listed[i].Body = nil
	}
	want(t, "list", list, listed)

	wantErr(t, "delete another's", tx.Images().Delete(ctx, other.ApplicationID, v.ID), store.ErrNotFound)
	ok(t, "delete", tx.Images().Delete(ctx, v.ApplicationID, v.ID))
	wantErr(t, "delete again", tx.Images().Delete(ctx, v.ApplicationID, v.ID), store.ErrNotFound)
	_, err = tx.Images().Get(ctx, v.ID)
	wantErr(t, "get what is gone", err, store.ErrNotFound)
	list, err = tx.Images().List(ctx, v.ApplicationID)
	ok(t, "list", err)
	want(t, "left", slices.IndexFunc(list, func(i latchkey.Image) bool { return i.ID == v.ID }), -1)
	want(t, "left", len(list), 1)
}
