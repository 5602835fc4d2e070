package api

import (
	"context"
	"net/http"

	"latchkey"
)

// statusChange is one line of an account's history.
type statusChange struct {
	Object string      `json:"object" enum:"StatusChange"`
	ID     string      `json:"id"`
	At     stamp       `json:"at"`
	From   *statusThen `json:"from" doc:"null where the account was made."`
	To     statusThen  `json:"to"`
	Action *string     `json:"action" doc:"What helped then: reconnect, wait, contact_admin or open_app."`
	Cause  string      `json:"cause" enum:"check,api,refresh,wizard,connection" doc:"What found it out: a scheduled check, your own request, the renewal of a credential, the wizard, or a connection that is held open."`
}

type statusThen struct {
	Status string  `json:"status" enum:"OK,CONNECTING,CREDENTIALS,PERMISSIONS,ERROR,STOPPED"`
	Reason *string `json:"reason"`
}

type statusChangeList struct {
	Object string         `json:"object" enum:"StatusChangeList"`
	Items  []statusChange `json:"items" nullable:"false"`
	Cursor *string        `json:"cursor" doc:"Give it back as ?cursor= for the next page; null on the last."`
}

func (a *API) historyRoute() route {
	return route{
		method: http.MethodGet, path: "/accounts/{id}/history", permission: latchkey.PermAccounts, handle: a.listHistory,
		doc: doc{
			id: "listAccountHistory", tag: tagAccounts, summary: "List an account's changes of status",
			text:    "When the account broke and when it worked again, and why, newest first. The newest 200 changes are kept, for 90 days.",
			params:  append([]param{accountIDParam()}, pageParams()...),
			answers: []docAnswer{{status: http.StatusOK, text: "A page of changes.", body: statusChangeList{}}},
			errors:  []int{http.StatusNotFound},
		},
	}
}

// listHistory answers GET /accounts/{id}/history.
func (a *API) listHistory(ctx context.Context, c *call) (answer, error) {
	id, err := c.accountRef()
	if err != nil {
		return answer{}, err
	}
	q := newQuery(c)
	page := q.page("hst_")
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	changes, err := a.cfg.Accounts.History(ctx, c.app.ID, id, oneMore(page))
	if err != nil {
		return answer{}, err
	}
	changes, cursor := paged(changes, page.Limit, func(x latchkey.StatusChange) string { return string(x.ID) })
	out := statusChangeList{Object: "StatusChangeList", Items: make([]statusChange, len(changes)), Cursor: cursor}
	for i, x := range changes {
		out.Items[i] = statusChange{
			Object: "StatusChange", ID: string(x.ID), At: at(x.At), To: then(x.To, x.ToReason),
			Action: orNull(string(latchkey.ActionFor(x.To, x.ToReason))), Cause: string(x.Cause),
		}
		if x.From != "" {
			from := then(x.From, x.FromReason)
			out.Items[i].From = &from
		}
	}
	return answer{http.StatusOK, out}, nil
}

func then(st latchkey.AccountStatus, r latchkey.Reason) statusThen {
	return statusThen{Status: string(st), Reason: orNull(string(r))}
}
