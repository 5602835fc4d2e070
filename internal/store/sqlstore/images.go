package sqlstore

import (
	"context"

	"latchkey"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore/sqlgen"
)

type images struct{ tx }

func (i images) Create(ctx context.Context, v latchkey.Image) error {
	store.AuditOf(ctx).Target(v.ApplicationID, string(v.ID))
	p := sqlgen.CreateImageParams{
		ID: string(v.ID), ApplicationID: string(v.ApplicationID), Type: v.Type, Width: int64(v.Width), Height: int64(v.Height),
		Size: int64(v.Size), Sum: blob(v.Sum), CreatedAt: ms(v.CreatedAt), Body: blob(v.Body),
	}
	return i.insert(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.CreateImage(ctx, p) })
}

func (i images) Get(ctx context.Context, id latchkey.ImageID) (latchkey.Image, error) {
	var r sqlgen.Image
	err := i.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		r, err = q.GetImage(ctx, string(id))
		return err
	})
	if err != nil {
		return latchkey.Image{}, err
	}
	v, err := imageFromRow(sqlgen.ListImagesRow{
		ID: r.ID, ApplicationID: r.ApplicationID, Type: r.Type, Width: r.Width, Height: r.Height, Size: r.Size, Sum: r.Sum, CreatedAt: r.CreatedAt,
	})
	v.Body = r.Body
	return v, err
}

func (i images) List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Image, error) {
	var rows []sqlgen.ListImagesRow
	err := i.read(ctx, func(ctx context.Context, q *sqlgen.Queries) (err error) {
		rows, err = q.ListImages(ctx, string(app))
		return err
	})
	if err != nil {
		return nil, err
	}
	return convert(rows, imageFromRow)
}

func (i images) Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.ImageID) error {
	p := sqlgen.DeleteImageParams{ApplicationID: string(app), ID: string(id)}
	return i.change(ctx, func(ctx context.Context, q *sqlgen.Queries) (int64, error) { return q.DeleteImage(ctx, p) })
}

func imageFromRow(r sqlgen.ListImagesRow) (latchkey.Image, error) {
	return latchkey.Image{
		ID: latchkey.ImageID(r.ID), ApplicationID: latchkey.ApplicationID(r.ApplicationID), Type: r.Type,
		Width: int(r.Width), Height: int(r.Height), Size: int(r.Size), Sum: bytesOf(r.Sum), CreatedAt: at(r.CreatedAt),
	}, nil
}
