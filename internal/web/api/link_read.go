package api

import (
	"context"
	"net/http"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// linkID takes the id from the path. What cannot be an id is unknown, like any other that is not there.
func (c *call) linkID() (latchkey.LinkID, error) {
	id := c.r.PathValue("id")
	if !idShape(id, "lnk_") {
		return "", errs.NotFoundf("link")
	}
	return latchkey.LinkID(id), nil
}

// getLink answers GET /links/{id}.
func (a *API) getLink(ctx context.Context, c *call) (answer, error) {
	id, err := c.linkID()
	if err != nil {
		return answer{}, err
	}
	l, events, err := a.cfg.Links.Link(ctx, c.app.ID, id)
	if err != nil {
		return answer{}, err
	}
	out := c.link(l)
	out.Events = c.linkEvents(l, events)
	return answer{http.StatusOK, out}, nil
}

// listLinks answers GET /links.
func (a *API) listLinks(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	page := q.page("lnk_")
	filter := store.LinkFilter{Name: q.param("name"), Now: a.now()}
	if s := q.param("status"); s != "" {
		st, ok := latchkey.ParseLinkStatus(s)
		if !ok {
			q.fail("status", errs.CodeInvalidValue, "This must be created, in_progress, completed, failed, canceled or expired.")
		}
		filter.Status = st
	}
	if hasControl(filter.Name) || len(filter.Name) > 4*maxLinkName {
		q.fail("name", errs.CodeInvalidValue, "No link can have this name.")
	}
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	links, err := a.cfg.Links.Links(ctx, c.app.ID, filter, oneMore(page))
	if err != nil {
		return answer{}, err
	}
	links, cursor := paged(links, page.Limit, func(l latchkey.Link) string { return string(l.ID) })
	out := linkList{Object: "LinkList", Items: make([]link, len(links)), Cursor: cursor}
	for i, l := range links {
		out.Items[i] = c.link(l)
	}
	return answer{http.StatusOK, out}, nil
}

// expireLink answers POST /links/{id}/expire.
func (a *API) expireLink(ctx context.Context, c *call) (answer, error) {
	id, err := c.linkID()
	if err != nil {
		return answer{}, err
	}
	if err := c.noFields(); err != nil {
		return answer{}, err
	}
	l, err := a.cfg.Links.ExpireLink(ctx, c.app.ID, id)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, c.link(l)}, nil
}

// noFields refuses a body with fields, for routes that take none.
func (c *call) noFields() error {
	f, err := c.object()
	if err != nil {
		return err
	}
	return f.done()
}
