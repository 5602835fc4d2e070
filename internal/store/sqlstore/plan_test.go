package sqlstore_test

import (
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/store/sqlstore"
)

// hotQueries are those that run on every request, in lists and in loops. Each must find its rows by
// an index, whatever is in the tables.
func hotQueries(t *testing.T) map[string]string {
	t.Helper()
	all := sqlstore.QueryTexts(t)
	hot := map[string]string{}
	for _, name := range []string{
		"KeyByHash", "GetApplication", "ApplicationByName", "GetLink", "LinkByToken", "AddOpened",
		"ListLinks", "ListLinksByStatus", "ListLinksExpired", "ListLinksByName", "ListLinksByNameAndStatus", "ListLinksByNameExpired",
		"GetFlow", "FlowByBrowser", "FlowByAccount", "SaveFlow", "RenewFlow", "DueFlows", "StrandedFlows", "ExpireFlows", "DeleteFinishedFlows",
		"GetAccount", "AccountByExternalID", "UpdateAccount", "NextAccountSequence", "ListAccounts",
		"DueForRefresh", "ClaimRefresh", "CountSameGrant", "GetProviderApp", "ListProviderApps", "UpdateProviderApp", "ClearDefaultProviderApp",
		"ListEvents", "ListEventsByType", "ListEventsByLink", "ListEventsByAccount", "DeleteEventsBefore",
		"GetDelivery", "UpdateTried", "ListUntried", "ListDueDeliveries", "NextQueue", "NextRetry", "CancelDeliveries",
		"ListDeliveriesByEndpoint", "LinksDueToExpire", "WatchLinkExpiry", "ListEndpoints", "ListAttempts", "ListDeliveriesByLink", "DeleteFinishedDeliveries",
		"GetIdempotency", "FinishIdempotency", "ReleaseIdempotency", "DeleteExpiredIdempotency", "DeleteExpiredTries",
		"DueForCheck", "StrandedChecks", "ClaimCheck", "FinishCheck", "TrimStatusChanges", "ListStatusChanges", "DeleteStatusChangesOf",
		"DeleteStatusChangesBefore", "DeleteFunnelBefore", "GetCursor", "MoveCursor", "EventsOfLinks", "CountLinks",
		"GetOperator", "OperatorByAddress", "MembershipsOf", "MembersOf", "LoginByToken", "TouchLogin", "ListLogins", "PasskeyByCredential", "ListPasskeys",
		"GetOneTime", "TakeOneTime", "DeleteOneTimesOf", "DeleteExpiredOneTimes", "ListAccountsByStatus",
		"DeleteLinksEnded", "ListAudit", "DeleteAuditBefore",
		"ReconnectURLByToken", "TrimReconnectURLs", "DeleteReconnectURLsOf", "DeleteExpiredReconnectURLs",
		"GetSignIn", "CountSignInTry", "RenewSignIn", "ProveSignIn", "CompleteSignIn", "DeleteExpiredSignIns", "MatchSignInRules", "AnySignInRule",
		"ListSignInRules", "GetOIDCClient", "ListOIDCClients", "ListSigningKeys", "ForgiveTry",
		"GetKeep", "DueKeeps", "HeldKeeps", "ClaimKeep", "ReleaseKeep", "ReleaseKeepsOf", "StopKeep", "DeleteKeep", "BeatKeeper", "MemoryIn", "MemoryAt",
		"ListMails", "ListMailsByStatus", "ListMailsEnded", "ForgetMemoryIn", "ForgetMemoryAt", "SwapMemory",
	} {
		if all[name] == "" {
			t.Fatalf("there is no query %s", name)
		}
		hot[name] = all[name]
	}
	return hot
}

func TestHotQueriesUseIndexes(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *sqlstore.Store) {
		t.Helper()
		s := open(t)
		for name, text := range hotQueries(t) {
			plan := explain(t, s, text)
			if !indexed(plan) || len(plan) == 0 {
				t.Errorf("%s scans or sorts: %s\n%s", name, text, strings.Join(plan, "\n"))
			}
		}
		// Sums have to sort what they found, but find it by an index.
		for _, name := range []string{"SumFunnel", "CountExpired", "ListAttemptsOfEndpoint"} {
			plan := explain(t, s, sqlstore.QueryTexts(t)[name])
			for i, line := range plan {
				if strings.Contains(line, "TEMP B-TREE") || strings.Contains(line, "Sort  (") {
					plan[i] = ""
				}
			}
			if !indexed(plan) {
				t.Errorf("%s scans: %s", name, strings.Join(plan, "\n"))
			}
		}
		// What has no index must be found out, or the test proves nothing.
		for _, text := range []string{
			"SELECT id FROM links WHERE last_failure = $1", "SELECT id FROM links WHERE id = $1 OR last_failure = $2",
			"SELECT id FROM links WHERE application_id = $1 ORDER BY expires_at",
		} {
			if plan := explain(t, s, text); indexed(plan) {
				t.Errorf("a scan was not recognised: %s\n%s", text, strings.Join(plan, "\n"))
			}
		}
	})
}

// indexed tells whether a plan of either engine looks rows up and sorts nothing.
func indexed(plan []string) bool {
	found := false
	for _, line := range plan {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "SCAN"), strings.Contains(line, "TEMP B-TREE"), // SQLite
			strings.Contains(line, "Seq Scan"), strings.Contains(line, "Sort  ("): // PostgreSQL
			return false
		case strings.HasPrefix(line, "SEARCH"), strings.HasPrefix(line, "Index Cond"):
			found = true
		}
	}
	return found
}

var parameter = regexp.MustCompile(`\$\d+`)

func explain(t *testing.T, s *sqlstore.Store, text string) []string {
	t.Helper()
	db := s.Database().Writer()
	if s.Database().Engine() == "sqlite" {
		args := make([]any, strings.Count(text, "$")) // as many as there are at most
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args[:highest(text)]...)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		defer rows.Close()
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var line string
			if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return plan
	}
	// PostgreSQL takes small tables whole whatever the indexes; with that switched off, a plan shows
	// what it would do with large ones. The generic plan knows no parameters, as a prepared statement.
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, set := range []string{"SET enable_seqscan = off", "SET enable_sort = off", "SET enable_bitmapscan = off", "SET plan_cache_mode = force_generic_plan"} {
		if _, err := conn.ExecContext(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	nulls := strings.TrimSuffix(strings.Repeat("NULL,", highest(text)), ",")
	if _, err := conn.ExecContext(t.Context(), "PREPARE hot AS "+text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	execute := "EXECUTE hot"
	if nulls != "" {
		execute += "(" + nulls + ")"
	}
	rows, err := conn.QueryContext(t.Context(), "EXPLAIN "+execute)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "DEALLOCATE hot"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "RESET ALL"); err != nil {
		t.Fatal(err)
	}
	return plan
}

// highest is how many parameters a statement has.
func highest(text string) int {
	seen := map[string]bool{}
	for _, p := range parameter.FindAllString(text, -1) {
		seen[p] = true
	}
	return len(seen)
}
