package api

import (
	"context"
	"net/http"

	"latchkey"
	"latchkey/internal/accounts"
	"latchkey/internal/errs"
)

// accountRef takes the account's id from the path: ours, or the application's own name for it.
func (c *call) accountRef() (string, error) {
	id := c.r.PathValue("id")
	if !accountShape(id) {
		return "", errs.NotFoundf("account")
	}
	return id, nil
}

// getAccount answers GET /accounts/{id}.
func (a *API) getAccount(ctx context.Context, c *call) (answer, error) {
	id, err := c.accountRef()
	if err != nil {
		return answer{}, err
	}
	acc, err := a.cfg.Accounts.Get(ctx, c.app.ID, id)
	if err != nil {
		return answer{}, err
	}
	return c.answerAccount(acc)
}

// checkAccount answers POST /accounts/{id}/check.
func (a *API) checkAccount(ctx context.Context, c *call) (answer, error) {
	id, err := c.accountRef()
	if err != nil {
		return answer{}, err
	}
	if err := c.noFields(); err != nil {
		return answer{}, err
	}
	acc, err := a.cfg.Accounts.Check(ctx, c.app.ID, id)
	if err != nil {
		return answer{}, err
	}
	return c.answerAccount(acc)
}

func (c *call) answerAccount(acc latchkey.Account) (answer, error) {
	out, err := c.account(acc)
	return answer{http.StatusOK, out}, err
}

// listAccounts answers GET /accounts.
func (a *API) listAccounts(ctx context.Context, c *call) (answer, error) {
	q := newQuery(c)
	page := q.page("acc_")
	if err := q.finish(); err != nil {
		return answer{}, err
	}
	accounts, err := a.cfg.Accounts.List(ctx, c.app.ID, oneMore(page))
	if err != nil {
		return answer{}, err
	}
	accounts, cursor := paged(accounts, page.Limit, func(x latchkey.Account) string { return string(x.ID) })
	out := accountList{Object: "AccountList", Items: make([]account, len(accounts)), Cursor: cursor}
	for i, x := range accounts {
		if out.Items[i], err = c.account(x); err != nil {
			return answer{}, err
		}
	}
	return answer{http.StatusOK, out}, nil
}

// changeAccount answers PATCH /accounts/{id}: what is left out stays as it is.
func (a *API) changeAccount(ctx context.Context, c *call) (answer, error) {
	id, err := c.accountRef()
	if err != nil {
		return answer{}, err
	}
	f, err := c.object()
	if err != nil {
		return answer{}, err
	}
	email, locale := f.notifyEmail(), f.language("notify_locale")
	if err := f.done(); err != nil {
		return answer{}, err
	}
	var want accounts.Change
	if _, given := f.raw["notify_email"]; given {
		want.NotifyEmail = &email
	}
	if _, given := f.raw["notify_locale"]; given {
		want.NotifyLocale = &locale
	}
	acc, err := a.cfg.Accounts.Change(ctx, c.app.ID, id, want)
	if err != nil {
		return answer{}, err
	}
	return c.answerAccount(acc)
}

// deleteAccount answers DELETE /accounts/{id}.
func (a *API) deleteAccount(ctx context.Context, c *call) (answer, error) {
	id, err := c.accountRef()
	if err != nil {
		return answer{}, err
	}
	if err := a.cfg.Accounts.Delete(ctx, c.app.ID, id); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, accountDeleted{Object: "AccountDeleted"}}, nil
}
