package telegram

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/gotd/td/tg"
)

// calls are the calls that are made. The library's own client has some eight hundred, and a binary
// that holds it holds them all, with everything they can answer: 10 MB.
type calls struct{ line *line }

// AuthExportLoginToken gets a QR code, or what became of it.
func (c calls) AuthExportLoginToken(ctx context.Context, req *tg.AuthExportLoginTokenRequest) (tg.AuthLoginTokenClass, error) {
	var out tg.AuthLoginTokenBox
	err := c.line.Invoke(ctx, req, &out)
	return out.LoginToken, err
}

// AuthImportLoginToken takes a code that was scanned to where the account lives.
func (c calls) AuthImportLoginToken(ctx context.Context, token []byte) (tg.AuthLoginTokenClass, error) {
	var out tg.AuthLoginTokenBox
	err := c.line.Invoke(ctx, &tg.AuthImportLoginTokenRequest{Token: token}, &out)
	return out.LoginToken, err
}

// AuthSendCode has a code sent.
func (c calls) AuthSendCode(ctx context.Context, req *tg.AuthSendCodeRequest) (tg.AuthSentCodeClass, error) {
	var out tg.AuthSentCodeBox
	err := c.line.Invoke(ctx, req, &out)
	return out.SentCode, err
}

// AuthResendCode has it sent another way.
func (c calls) AuthResendCode(ctx context.Context, req *tg.AuthResendCodeRequest) (tg.AuthSentCodeClass, error) {
	var out tg.AuthSentCodeBox
	err := c.line.Invoke(ctx, req, &out)
	return out.SentCode, err
}

// AuthSignIn tries a code.
func (c calls) AuthSignIn(ctx context.Context, req *tg.AuthSignInRequest) (tg.AuthAuthorizationClass, error) {
	var out tg.AuthAuthorizationBox
	err := c.line.Invoke(ctx, req, &out)
	return out.Authorization, err
}

// AccountGetPassword asks how the two-step password is to be proven.
func (c calls) AccountGetPassword(ctx context.Context) (*tg.AccountPassword, error) {
	var out tg.AccountPassword
	err := c.line.Invoke(ctx, &tg.AccountGetPasswordRequest{}, &out)
	return &out, err
}

// AuthCheckPassword tries a proof.
func (c calls) AuthCheckPassword(ctx context.Context, proof tg.InputCheckPasswordSRPClass) (tg.AuthAuthorizationClass, error) {
	var out tg.AuthAuthorizationBox
	err := c.line.Invoke(ctx, &tg.AuthCheckPasswordRequest{Password: proof}, &out)
	return out.Authorization, err
}

// UsersGetUsers reads profiles.
func (c calls) UsersGetUsers(ctx context.Context, who []tg.InputUserClass) ([]tg.UserClass, error) {
	var out tg.UserClassVector
	err := c.line.Invoke(ctx, &tg.UsersGetUsersRequest{ID: who}, &out)
	return out.Elems, err
}

// AuthLogOut ends the session.
func (c calls) AuthLogOut(ctx context.Context) (*tg.AuthLoggedOut, error) {
	var out tg.AuthLoggedOut
	err := c.line.Invoke(ctx, &tg.AuthLogOutRequest{}, &out)
	return &out, err
}

// saysAccepted tells whether an update says that a QR code was scanned and accepted. The update is
// four bytes, its type; others are not read. A wrong guess costs one more question.
func saysAccepted(update []byte) bool {
	return bytes.Contains(update, binary.LittleEndian.AppendUint32(nil, tg.UpdateLoginTokenTypeID))
}
