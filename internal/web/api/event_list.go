package api

import (
	"context"
	"net/http"
	"slices"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

type event struct {
	Object    string  `json:"object" enum:"Event"`
	ID        string  `json:"id"`
	Type      string  `json:"type" doc:"Such as account.status_changed."`
	CreatedAt stamp   `json:"created_at"`
	Sequence  int64   `json:"sequence" minimum:"0" doc:"Counts the events of one account; 0 for events without one."`
	LinkID    *string `json:"link_id"`
	AccountID *string `json:"account_id"`
	Data      object  `json:"data"`
}

type eventList struct {
	Object string  `json:"object" enum:"EventList"`
	Items  []event `json:"items" nullable:"false"`
	Cursor *string `json:"cursor" doc:"Give it back as ?cursor= for what follows; null when there is nothing more yet."`
}

// listEvents answers GET /events, oldest first.
func (a *API) listEvents(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	page := q.page("evt_")
	after := q.param("after")
	switch {
	case after == "":
		after = page.Before
	case page.Before != "":
		q.fail("after", errs.CodeInvalidValue, "Send after or cursor, not both.")
	case !idShape(after, "evt_"):
		q.fail("after", errs.CodeInvalidValue, "This is not the id of an event.")
	}
	filter := store.EventFilter{Type: latchkey.EventType(q.param("type"))}
	if filter.Type != "" && !slices.Contains(latchkey.EventTypes(), filter.Type) {
		q.fail("type", errs.CodeInvalidValue, "There are no events of this type.")
	}
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	events, err := a.cfg.Events.List(ctx, c.app.ID, filter, latchkey.EventID(after), oneMore(page).Limit)
	if err != nil {
		return answer{}, err
	}
	events, cursor := paged(events, page.Limit, func(e latchkey.Event) string { return string(e.ID) })
	out := eventList{Object: "EventList", Items: make([]event, len(events)), Cursor: cursor}
	for i, e := range events {
		out.Items[i] = showEvent(e)
	}
	return answer{http.StatusOK, out}, nil
}
