package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"latchkey"
	"latchkey/internal/applications"
	"latchkey/internal/config"
	"latchkey/internal/errs"
	"latchkey/internal/providerapps"
)

// declaredApp is one entry of LATCHKEY_PROVIDER_APPS.
type declaredApp struct {
	Application        string    `json:"application"`
	Key                string    `json:"key"`
	Provider           *string   `json:"provider"`
	Name               *string   `json:"name"`
	ClientID           *string   `json:"client_id"`
	ClientSecret       *string   `json:"client_secret"`
	ClientSecretFile   string    `json:"client_secret_file"`
	ServiceAccountFile string    `json:"service_account_file"`
	Tenant             *string   `json:"tenant"`
	Cloud              *string   `json:"cloud"`
	Domain             *string   `json:"domain"`
	Protocol           *string   `json:"protocol"`
	ExtraScopes        *[]string `json:"extra_scopes"`
	SkipScopes         *[]string `json:"skip_scopes"`
	Default            *bool     `json:"default"`
}

// declarations are the entries by application.
type declarations map[string][]providerapps.Declared

// declaredApps reads the entries and the files that they name, and says everything that is wrong.
func declaredApps(cfg *config.Config) (declarations, error) {
	const variable = "LATCHKEY_PROVIDER_APPS"
	text := strings.TrimSpace(cfg.ProviderApps.Reveal())
	if text == "" {
		return declarations{}, nil
	}
	var entries []json.RawMessage
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		return nil, fmt.Errorf("%s must be a JSON list of objects", variable) // the parser's words may quote a secret
	}
	out, keys := declarations{}, map[string]bool{}
	var bad []error
	for i, raw := range entries {
		add := func(format string, args ...any) {
			bad = append(bad, fmt.Errorf("%s: entry %d%s", variable, i+1, fmt.Sprintf(format, args...)))
		}
		var e declaredApp
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); err != nil {
			add(": %s", inShape(err))
			continue
		}
		if e.Application == "" {
			e.Application = applications.DefaultName
		}
		d, err := e.read()
		if err != nil {
			add(" (%s): %v", e.Key, err)
		}
		for _, p := range providerapps.CheckDeclared(d) {
			if err != nil && (p.Field == "client_secret" || p.Field == "service_account") {
				continue // the file says why
			}
			add(" (%s): %s: %s", e.Key, p.Field, p.Message)
		}
		if name := e.Application + "\x00" + e.Key; keys[name] {
			add(" (%s): key: another entry of the application has it", e.Key)
		} else {
			keys[name] = true
		}
		out[e.Application] = append(out[e.Application], d)
	}
	return out, errors.Join(bad...)
}

// inShape says what is wrong with an entry's shape, without its values.
func inShape(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return e.Field + ": this must be a " + e.Type.String()
	}
	if said := err.Error(); strings.HasPrefix(said, "json: unknown field ") {
		return strings.TrimPrefix(said, "json: ")
	}
	return "it is not a JSON object"
}

// read puts an entry together with its files.
func (e declaredApp) read() (providerapps.Declared, error) {
	d := providerapps.Declared{Key: e.Key, Spec: providerapps.Spec{
		Provider: e.Provider, Name: e.Name, ClientID: e.ClientID, ClientSecret: e.ClientSecret, Tenant: e.Tenant, Cloud: e.Cloud,
		Domain: e.Domain, Protocol: e.Protocol, ExtraScopes: e.ExtraScopes, SkipScopes: e.SkipScopes, Default: e.Default,
	}}
	if e.Name == nil {
		d.Spec.Name = &e.Key
	}
	var bad []error
	if e.ClientSecretFile != "" {
		if e.ClientSecret != nil {
			bad = append(bad, errors.New("client_secret_file: give this or client_secret"))
		}
		s, err := secretFile("client_secret_file", e.ClientSecretFile)
		d.Spec.ClientSecret, bad = s, append(bad, err)
	}
	if e.ServiceAccountFile != "" {
		s, err := secretFile("service_account_file", e.ServiceAccountFile)
		d.Spec.ServiceAccount, bad = s, append(bad, err)
	}
	return d, errors.Join(bad...)
}

func secretFile(field, path string) (*string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, providerapps.MaxServiceAccount+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	text := strings.TrimSpace(string(raw))
	return &text, nil
}

// declareApps makes every application's declared provider apps what the configuration says.
func (in *installation) declareApps(ctx context.Context) error {
	wanted, err := declaredApps(in.cfg)
	if err != nil {
		return err
	}
	lists := map[latchkey.ApplicationID][]providerapps.Declared{}
	for name, all := range wanted {
		app, err := in.apps.Find(ctx, name)
		if errs.Is(err, errs.CodeNotFound) {
			return fmt.Errorf("LATCHKEY_PROVIDER_APPS: there is no application %q; make it with latchkey app create", name)
		}
		if err != nil {
			return err
		}
		lists[app.ID] = append(lists[app.ID], all...)
	}
	apps, err := in.apps.List(ctx)
	if err != nil {
		return err
	}
	for _, app := range apps {
		if err := in.clients.Declare(ctx, app.ID, lists[app.ID]); err != nil {
			return fmt.Errorf("LATCHKEY_PROVIDER_APPS: application %q: %w", app.Name, plain(err))
		}
	}
	return nil
}
