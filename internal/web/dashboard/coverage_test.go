package dashboard

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/web/api"
)

// elsewhere is what the API does and the dashboard does by another name, or has no use for, and why.
func elsewhere() map[string]string {
	return map[string]string{
		"create_hosted_link":         "create_link",
		"create_authentication_form": "is for backends: people get links",
		"create_account":             "takes a password that the backend has: people connect through a link, which create_link makes",
		"reconnect_account":          "the same, for an account that is there: a reconnect link",
		"answer_checkpoint":          "goes on with create_account",
		"resend_checkpoint":          "goes on with create_account",
		"issue_access_token":         "tokens go to backends, never to people",
		"listen_events":              "is what latchkey listen does",
		"create_sign_in":             "is what the hosted page does, for whoever opens it",
		"verify_sign_in":             "the same",
		"resend_sign_in":             "the same",
	}
}

// TestEverythingOfTheAPI goes through the API's description: whatever changes something has a button here.
func TestEverythingOfTheAPI(t *testing.T) {
	d, _, _ := open(t)
	var actions []string
	for _, rt := range d.routes() {
		actions = append(actions, rt.action)
	}
	base, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	api.New(api.Config{BaseURL: base, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).Register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, site+"/openapi.json", http.NoBody))
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || len(doc.Paths) < 40 {
		t.Fatalf("%d paths: %v", len(doc.Paths), err)
	}
	words := regexp.MustCompile(`[A-Z]+`)
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if op.OperationID == "" || method == "get" {
				continue
			}
			name := strings.ToLower(words.ReplaceAllString(strings.NewReplacer("OIDC", "_oidc_", "URL", "_url_").Replace(op.OperationID), "_$0"))
			name = strings.Trim(strings.ReplaceAll(name, "__", "_"), "_")
			if _, ok := elsewhere()[name]; !ok && !slices.Contains(actions, name) {
				t.Errorf("%s %s (%s): the dashboard cannot do it", strings.ToUpper(method), path, name)
			}
		}
	}
}
