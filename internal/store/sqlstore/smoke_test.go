package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

func TestSmoke(t *testing.T) {
	s, _ := openSQLite(t)
	l := newLink("app_x")
	if err := s.Links().Create(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Links().ByToken(t.Context(), l.TokenHash); err != nil {
		t.Fatal(err)
	}
	ran := make(chan store.RunningJob, 1)
	w, err := s.Work(t.Context(), sqlstore.WorkConfig{Handlers: map[string]store.Handler{"xx": func(ctx context.Context, j store.RunningJob) error { ran <- j; return nil }}})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := s.Enqueue(t.Context(), store.Job{Kind: "xx", Args: []byte(`{"a":1}`)}); err != nil {
		t.Fatal(err)
	}
	j := <-ran
	t.Log(time.Since(start), string(j.Args), j)
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
