package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// readyTime bounds what /readyz waits for.
const readyTime = 2 * time.Second

// alive answers /healthz: the process lives and answers. It asks nobody: whoever restarts us when it
// fails would not mend the database by that.
func alive(w http.ResponseWriter, _ *http.Request) { answerWord(w, http.StatusOK, "ok\n") }

// ready answers /readyz: whether requests should be sent here. They should not while the process
// stops, while the database does not answer, or where the keys do not open what they seal. The tables
// are up to date: nothing listens before they are.
func (in *installation) ready(stopping func() bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if stopping() {
			answerWord(w, http.StatusServiceUnavailable, "stopping\n")
			return
		}
		if err := in.healthy(r.Context()); err != nil {
			in.log.ErrorContext(r.Context(), "not ready", slog.String("cause", err.Error()))
			answerWord(w, http.StatusServiceUnavailable, "not ready; the log says why\n")
			return
		}
		answerWord(w, http.StatusOK, "ok\n")
	}
}

func answerWord(w http.ResponseWriter, status int, word string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(word))
}

// healthy tells whether the installation can do its work: the database answers and the keys open.
func (in *installation) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := in.store.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	sealed, err := in.ring.Seal("health", []byte("health"))
	if err == nil {
		_, err = in.ring.Open("health", sealed)
	}
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}
