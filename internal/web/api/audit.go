package api

import (
	"context"
	"net/http"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
	"latchkey/internal/web"
)

// Trail keeps the audit trail.
type Trail interface {
	// Fill gives an entry its id and time, for the transaction that writes it.
	Fill(e latchkey.AuditEntry) latchkey.AuditEntry
	Write(ctx context.Context, e latchkey.AuditEntry)
	// Count is for what happens often or changes nothing: it waits for no database.
	Count(e latchkey.AuditEntry)
}

// AuditLog reads it.
type AuditLog interface {
	List(ctx context.Context, app latchkey.ApplicationID, p store.Page) ([]latchkey.AuditEntry, error)
}

// How a route is audited.
type audited int

const (
	// auditOwn: a line of its own, in the transaction of the change. For every route that is not a GET.
	auditOwn audited = iota
	// auditCounted: too many for a line each; what they make says itself who made it.
	auditCounted
	// auditElsewhere: the service writes the lines. What it refuses is counted all the same.
	auditElsewhere
)

// entry is the line of a request, before anything has come of it.
func entry(rt route, c *call) latchkey.AuditEntry {
	info := web.InfoOf(c.r.Context())
	e := latchkey.AuditEntry{
		ApplicationID: c.app.ID, Actor: latchkey.ActorKey, ActorID: string(c.key.ID), ActorName: c.key.Name,
		Action: action(rt), Target: c.r.PathValue("id"), RequestID: info.RequestID,
	}
	if info.Address.IsValid() {
		e.Address = info.Address.String()
	}
	// It is the caller's text: only what looks like an id or a name is one.
	if len(e.Target) > maxExternalID || hasControl(e.Target) {
		e.Target = ""
	}
	return e
}

// action is the route's id in the description, in words: deleteAccount is delete_account.
func action(rt route) string {
	if rt.action != "" {
		return rt.action
	}
	var b strings.Builder
	id := rt.doc.id
	capital := func(i int) bool { return id[i] >= 'A' && id[i] <= 'Z' }
	for i := range id {
		// A word begins at a capital, but not within an abbreviation: createOIDCClient has three words.
		if i > 0 && capital(i) && (!capital(i-1) || i+1 < len(id) && !capital(i+1)) {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(id[i : i+1]))
	}
	return b.String()
}

// run does what the route does, and sees to it that the audit trail says so.
func (a *API) run(rt route, c *call) (status int, body []byte, err error) {
	if rt.method == http.MethodGet || a.cfg.Trail == nil {
		return run(c.r.Context(), rt, c)
	}
	e := entry(rt, c)
	switch rt.audited {
	case auditCounted:
		status, body, err = run(c.r.Context(), rt, c)
		e.Outcome = outcomeOf(err)
		a.cfg.Trail.Count(e)
		return status, body, err
	case auditElsewhere:
		status, body, err = run(store.WithActor(c.r.Context(), e), rt, c)
	case auditOwn:
		ctx, note := store.WithAudit(c.r.Context(), a.cfg.Trail.Fill(e))
		status, body, err = run(ctx, rt, c)
		if err == nil && note.Pending() { // there was nothing to change, or nothing of ours
			a.cfg.Trail.Write(ctx, note.Entry())
		}
	}
	if err != nil {
		e.Outcome = outcomeOf(err)
		a.cfg.Trail.Count(e)
	}
	return status, body, err
}

func outcomeOf(err error) string {
	if err == nil {
		return latchkey.AuditOK
	}
	return string(errs.As(err).Code)
}

type auditEntry struct {
	Object    string     `json:"object" enum:"AuditEntry"`
	ID        string     `json:"id"`
	At        stamp      `json:"at"`
	Actor     auditActor `json:"actor"`
	Action    string     `json:"action" doc:"A verb and a noun, such as delete_account."`
	Target    *string    `json:"target" doc:"The id of what it was done to."`
	Address   *string    `json:"address" doc:"Where the request came from."`
	RequestID *string    `json:"request_id" doc:"The X-Request-Id of the answer; the log has it too."`
	Outcome   string     `json:"outcome" doc:"ok, or the code of what was wrong."`
	Count     int        `json:"count" minimum:"1" doc:"Above 1 where the line stands for that many: links made, access tokens handed out, requests refused."`
}

type auditActor struct {
	Kind string  `json:"kind" enum:"key,cli,operator" doc:"An API key, the command line, or somebody in the dashboard."`
	ID   string  `json:"id" doc:"The key's or operator's id, or the account of the operating system."`
	Name *string `json:"name"`
}

type auditList struct {
	Object string       `json:"object" enum:"AuditEntryList"`
	Items  []auditEntry `json:"items" nullable:"false"`
	Cursor *string      `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

func (a *API) auditRoute() route {
	return route{
		method: http.MethodGet, path: "/audit", permission: latchkey.PermSettings, handle: a.listAudit,
		doc: doc{
			id: "listAudit", tag: tagApplication, summary: "Read the audit trail",
			text: "Who did what with the application's keys, or to it on the command line: newest first. A line is written in the transaction of what it reports. " +
				"Links, access tokens and refused requests are counted, a line for several. Reading leaves no line.",
			params:  pageParams(),
			answers: []docAnswer{{status: http.StatusOK, text: "A page of the trail.", body: auditList{}}},
		},
	}
}

// listAudit answers GET /audit.
func (a *API) listAudit(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	page := q.page("aud_")
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	entries, err := a.cfg.AuditLog.List(ctx, c.app.ID, oneMore(page))
	if err != nil {
		return answer{}, err
	}
	entries, cursor := paged(entries, page.Limit, func(e latchkey.AuditEntry) string { return string(e.ID) })
	out := auditList{Object: "AuditEntryList", Items: make([]auditEntry, len(entries)), Cursor: cursor}
	for i, e := range entries {
		out.Items[i] = auditEntry{
			Object: "AuditEntry", ID: string(e.ID), At: at(e.At), Actor: auditActor{string(e.Actor), e.ActorID, orNull(e.ActorName)},
			Action: e.Action, Target: orNull(e.Target), Address: orNull(e.Address), RequestID: orNull(e.RequestID), Outcome: e.Outcome, Count: e.Count,
		}
	}
	return answer{http.StatusOK, out}, nil
}
