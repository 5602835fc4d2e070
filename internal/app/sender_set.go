package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/mailer"
)

// secretVariable holds a sender's secret for one command. It has no prefix, for it is no setting of the server's.
const secretVariable = "SENDER_SECRET"

type senderSetCmd struct {
	App  string `required:"" help:"Application, by id or name."`
	ID   string `arg:"" optional:"" help:"Id of the sender to change (snd_…). Default: a new one."`
	File string `placeholder:"FILE" help:"JSON file with fields as in POST /v1/senders; - reads it from standard input. Flags win over it."`
	// Secrets are taken from elsewhere: a command line can be read by everybody on the machine.
	SecretFile string `placeholder:"FILE" help:"File with the password, client secret or service account key; - reads it from standard input. Or set SENDER_SECRET."`

	Kind      string `help:"basic or oauth."`
	Email     string `name:"sender-email" help:"What mail comes from."`
	Name      string `name:"sender-name" help:"What stands beside the address."`
	Host      string `help:"basic: the mail host."`
	Port      int    `help:"basic: 587, 465, …"`
	Username  string `help:"basic."`
	Provider  string `help:"oauth: microsoft or google."`
	ClientID  string `name:"client-id" help:"Microsoft: the Application (client) ID."`
	Tenant    string `name:"tenant-id" help:"Microsoft: the Directory (tenant) ID."`
	Transport string `help:"Microsoft: smtp (default) or graph."`
	Ends      string `name:"secret-expires-at" placeholder:"DAY" help:"Microsoft: the day on which the client secret ends, such as 2028-01-31; none takes it away."`
	Fallback  *bool  `negatable:"" help:"Send what this sender cannot through the default sender."`
	JSON      bool   `name:"json" help:"Print JSON."`
}

// senderFile is what a file may hold. Its service account may be text, or the object that it is.
type senderFile struct {
	Kind           *string         `json:"kind"`
	Email          *string         `json:"sender_email"`
	Name           *string         `json:"sender_name"`
	Host           *string         `json:"host"`
	Port           *int            `json:"port"`
	Username       *string         `json:"username"`
	Password       *string         `json:"password"`
	Provider       *string         `json:"provider"`
	ClientID       *string         `json:"client_id"`
	ClientSecret   *string         `json:"client_secret"`
	Tenant         *string         `json:"tenant_id"`
	ServiceAccount json.RawMessage `json:"service_account"`
	Transport      *string         `json:"transport"`
	Ends           *string         `json:"secret_expires_at"`
	Fallback       *bool           `json:"fallback"`
}

// read reads the file. Its errors name no value: one may be a secret.
func (f *senderFile) read(path string) error {
	raw, err := readHere(path)
	if err != nil || raw == nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return fmt.Errorf("%s is not the JSON of a sender; see docs/login-emails.md", path)
	}
	return nil
}

// readHere reads a file, or standard input; nil where there is none to read.
func readHere(path string) ([]byte, error) {
	switch path {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(io.LimitReader(os.Stdin, 2*mailer.MaxServiceAccount))
	}
	return os.ReadFile(path)
}

// win puts a flag over what a file has.
func win(field **string, flag string) {
	if flag != "" {
		*field = &flag
	}
}

// spec gathers flags, file and secret. kind and provider are those of the sender that is changed.
func (a senderSetCmd) spec(was latchkey.Sender) (mailer.SenderSpec, error) {
	var f senderFile
	if err := f.read(a.File); err != nil {
		return mailer.SenderSpec{}, err
	}
	win(&f.Kind, a.Kind)
	win(&f.Email, a.Email)
	win(&f.Name, a.Name)
	win(&f.Host, a.Host)
	win(&f.Username, a.Username)
	win(&f.Provider, a.Provider)
	win(&f.ClientID, a.ClientID)
	win(&f.Tenant, a.Tenant)
	win(&f.Transport, a.Transport)
	win(&f.Ends, a.Ends)
	if a.Port != 0 {
		f.Port = &a.Port
	}
	if a.Fallback != nil {
		f.Fallback = a.Fallback
	}
	spec := mailer.SenderSpec{
		Kind: f.Kind, Email: f.Email, Name: f.Name, Host: f.Host, Port: f.Port, Username: f.Username, Password: f.Password, Provider: f.Provider,
		ClientID: f.ClientID, ClientSecret: f.ClientSecret, Tenant: f.Tenant, Transport: f.Transport, Fallback: f.Fallback,
	}
	if len(f.ServiceAccount) > 0 {
		text := string(f.ServiceAccount)
		var quoted string
		if json.Unmarshal(f.ServiceAccount, &quoted) == nil {
			text = quoted
		}
		spec.ServiceAccount = &text
	}
	var err error
	if f.Ends != nil {
		if spec.SecretExpiresAt, err = day(*f.Ends); err != nil {
			return spec, err
		}
	}
	return spec, a.secret(&spec, was)
}

// secret puts the secret where it belongs.
func (a senderSetCmd) secret(spec *mailer.SenderSpec, was latchkey.Sender) error {
	raw, err := readHere(a.SecretFile)
	if err != nil {
		return err
	}
	text := string(raw)
	if text == "" {
		text = os.Getenv(secretVariable)
	}
	if text == "" {
		return nil
	}
	kind, provider := string(was.Kind), was.Provider
	if spec.Kind != nil {
		kind = *spec.Kind
	}
	if spec.Provider != nil && *spec.Provider == "google" {
		provider = latchkey.Google
	}
	switch {
	case kind == string(latchkey.SenderBasic):
		spec.Password = &text
	case provider == latchkey.Google:
		spec.ServiceAccount = &text
	default:
		spec.ClientSecret = &text
	}
	return nil
}

// Run makes or changes a sender.
func (a senderSetCmd) Run(c *console, cfg *config.Config) error {
	return withClients(c, cfg, a.App, func(in *installation, app latchkey.Application) error {
		var was latchkey.Sender
		var err error
		if a.ID != "" {
			if was, err = in.senders.Get(c.ctx, app.ID, latchkey.SenderID(a.ID)); err != nil {
				return err
			}
		}
		spec, err := a.spec(was)
		if err != nil {
			return err
		}
		action, target := "create_sender", ""
		if a.ID != "" {
			action, target = "update_sender", a.ID
		}
		ctx, written := in.auditing(c.ctx, action, app.ID, target)
		var v latchkey.Sender
		if a.ID == "" {
			v, err = in.senders.Create(ctx, app.ID, spec)
		} else {
			v, err = in.senders.Update(ctx, app.ID, was.ID, spec)
		}
		written(err)
		if err != nil {
			return err
		}
		s := showSender(app, v)
		if a.JSON {
			return c.json(s)
		}
		c.printf("Sender %s: %s\n", s.ID, s.Email)
		switch {
		case !s.Proven:
			c.printf("\nA mail goes to %s through the server that runs. Whoever reads it opens the link in it, and agrees. Then:\n\n  latchkey sender use --app %q %s\n", s.Email, app.Name, s.ID)
		case !s.Chosen:
			c.printf("\nTo use it: latchkey sender use --app %q %s\n", app.Name, s.ID)
		}
		return nil
	})
}
