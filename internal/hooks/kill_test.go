package hooks_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/secret"
)

// childEnv holds a childJob: the test binary is then a replica that sends until it is killed.
const childEnv = "LATCHKEY_TEST_HOOKS_CHILD"

type childJob struct {
	URL, Path, Master, Owner string
}

// TestReplicaChild is the child's side of TestKilledReplica.
func TestReplicaChild(t *testing.T) {
	text := os.Getenv(childEnv)
	if text == "" {
		return // nothing to do in a normal run
	}
	var job childJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		t.Fatal(err)
	}
	master, err := secret.ParseMasterKey(job.Master)
	if err != nil {
		t.Fatal(err)
	}
	db := database{url: job.URL, path: job.Path, master: master}
	db.replica(t, job.Owner).run()
	fmt.Println("running")
	<-context.Background().Done() // until it is killed
}

func (db database) child(t *testing.T, owner string) *exec.Cmd {
	t.Helper()
	job, err := json.Marshal(childJob{URL: db.url, Path: db.path, Master: db.master.Encode(), Owner: owner})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestReplicaChild$")
	cmd.Env = append(os.Environ(), childEnv+"="+string(job))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "running\n" {
		t.Fatalf("the child does not run: %q %v", line, err)
	}
	return cmd
}

// TestKilledReplica kills one of two replicas (on SQLite: the only one, which is started again) under
// a stream of events: nothing is lost, each account is told in its order, and twice comes only what
// was under way.
func TestKilledReplica(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db database) {
		const accounts, each = 40, 25
		writer := db.replica(t, "writer") // it writes, and sends nothing
		l := newLedger()
		r := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
		r.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			l.take(t, req)
			time.Sleep(2 * time.Millisecond) // as a receiver takes
		})
		writer.endpoint(r.URL, "account.*")
		var ids []latchkey.AccountID
		for range accounts {
			ids = append(ids, writer.account())
		}
		first := db.child(t, "first")
		if db.url != "" {
			db.child(t, "second")
		}
		writing := aside(func() error {
			for range each {
				writer.emit(ids...)
			}
			return nil
		})
		const total = accounts * each
		until(t, "a third of them", func() bool { return l.distinct() > total/3 })
		if err := first.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = first.Wait() // it was killed
		if db.url == "" {
			db.child(t, "again")
		}
		if err := <-writing; err != nil {
			t.Fatal(err)
		}
		until(t, "all of them", func() bool { return l.distinct() == total })
		l.mu.Lock()
		twice := 0
		for id, n := range l.ids {
			if n > 2 {
				t.Errorf("%s came %d times", id, n)
			}
			twice += n - 1
		}
		l.mu.Unlock()
		// So many may be under way in one process, to one receiver.
		if twice > 64 {
			t.Errorf("%d came twice", twice)
		}
		t.Logf("%d of %d came twice", twice, total)
		for _, id := range ids {
			if got := l.firsts(string(id)); !slices.IsSorted(got) || len(got) != each {
				t.Errorf("%s was told in the order %v", id, got)
			}
		}
	})
}
