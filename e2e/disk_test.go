package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDiskFull fills the disk under a running server. It says so, survives, loses nothing that it
// had confirmed, and works again when there is room.
//
// The disk is a small file system in memory, in a mount namespace of the server's own: only the
// server (and we, through /proc) can see it, and it is gone with the server.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	mail := newMail(t, "full.test")
	in := newInstall(t, mail.env)
	if err := os.MkdirAll(in.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	in.wrap = []string{"unshare", "--user", "--map-root-user", "--mount", "sh", "-c", `mount -t tmpfs -o size=16m,mode=700 tmpfs "$LATCHKEY_DATA" && exec "$@"`, "sh"}
	if os.Getuid() == 0 {
		in.wrap = append(in.wrap[:1:1], in.wrap[3:]...)
	}
	s := in.start()
	seen := fmt.Sprintf("/proc/%d/root%s", s.pid, in.dir)
	var confirmed []link
	for range 20 {
		confirmed = append(confirmed, s.api.link(t))
	}
	email, password := mail.user(in, "maria@full.test")
	account := s.visit(s.api.link(t)).mustConnect(t, email, password).Result.AccountID

	filler := filepath.Join(seen, "filler")
	fill(t, filler)
	var refused response
	for range 2000 { // what the files still hold has to be used up first
		res, err := s.api.call(t.Context(), http.MethodPost, "/v1/links", fields{"providers": "IMAP", "metadata": fields{"pad": strings.Repeat("x", 1000)}})
		if err != nil {
			t.Fatal(err)
		}
		if res.status >= 500 {
			refused = res
			break
		}
		l, err := s.api.linkOf(res)
		if err != nil {
			t.Fatalf("%d %s", res.status, res.body)
		}
		confirmed = append(confirmed, l)
	}
	if refused.status != http.StatusServiceUnavailable || refused.text("type") != "errors/service_unavailable" || refused.header.Get("Retry-After") == "" {
		t.Errorf("with a full disk: %d %s", refused.status, refused.body)
	}
	if strings.Contains(string(refused.body), "disk") || strings.Contains(strings.ToLower(string(refused.body)), "sqlite") {
		t.Errorf("the answer shows the insides: %s", refused.body)
	}
	// Reading goes on.
	for _, l := range confirmed[:3] {
		s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil)
	}
	if !strings.Contains(s.log.String(), "full") {
		t.Errorf("the log does not tell the operator:\n%s", s.log.tail())
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for _, l := range append(confirmed, s.api.link(t)) {
		s.api.must(t, http.StatusOK, http.MethodGet, "/v1/links/"+l.id, nil)
	}
	s.api.check(t, account, "OK")
	s.healthy(t)
	// The disk goes with the server: the witness has to look while it is there.
	in.dir = seen
	in.seen.look()
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 16, 1 << 12, 1} {
		block := make([]byte, size)
		for err == nil {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
}
