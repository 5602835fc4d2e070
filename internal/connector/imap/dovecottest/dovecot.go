package dovecottest

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/connector/imap/mailhost"
)

// Config is what a server needs.
type Config struct {
	// Users maps logins to passwords, of any script.
	Users map[string]string
	// Names are the server's names in its certificate, besides localhost and 127.0.0.1.
	Names []string
	// Mechanisms are SASL mechanisms; PLAIN and LOGIN if empty.
	Mechanisms []string
	// Introspection, if set, is where tokens are asked about (RFC 7662): it adds XOAUTH2. The mailbox
	// is the "email" of the answer. A client's name and secret may stand in the address.
	Introspection string
	// Deliver has what is submitted delivered into the mailboxes of this very server, whoever it is for;
	// otherwise it is forgotten.
	Deliver bool
	// Extra is added to the configuration, for what a test needs besides.
	Extra string
}

// Server is a running Dovecot. The addresses are host:port.
type Server struct {
	IMAPS, IMAP, Submissions, Submission string
	// CAPEM is the authority's certificate; Dir the server's folder.
	CAPEM []byte
	Dir   string

	mu      sync.Mutex
	log     strings.Builder
	changes int // of passwords
}

// install is what to do where a part is missing.
const install = "apt-get install -y dovecot-imapd dovecot-submissiond"

// Start starts a server, and stops it when the test ends.
func Start(tb testing.TB, cfg Config) *Server {
	tb.Helper()
	for _, file := range []string{"/usr/sbin/dovecot", "/usr/lib/dovecot/imap", "/usr/lib/dovecot/submission"} {
		if _, err := os.Stat(file); err != nil {
			tb.Fatalf("Dovecot is not installed (%s is missing): run\n\n\t%s\n", file, install)
		}
	}
	dir, err := os.MkdirTemp("", "dovecot-") //nolint:usetesting // TempDir lets only us in
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	// Dovecot drops to users of its own, who have to get in here.
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	s := &Server{Dir: dir}
	relay := s.relay(tb, cfg.Deliver)
	s.write(tb, cfg, relay)
	s.run(tb)
	return s
}

// relay is where submitted mail would go: Dovecot connects to it for every submission.
func (s *Server) relay(tb testing.TB, deliver bool) *net.TCPAddr {
	tb.Helper()
	var to func(string, []byte) error
	if deliver {
		to = s.deliver
	}
	sink, err := startSink(to)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(sink.close)
	return sink.addr
}

func (s *Server) write(tb testing.TB, cfg Config, relay *net.TCPAddr) {
	tb.Helper()
	ca, cert, key, err := mailhost.Certificate(time.Now(), cfg.Names...)
	if err != nil {
		tb.Fatal(err)
	}
	s.CAPEM = ca
	var passwd strings.Builder
	for _, u := range slices.Sorted(maps.Keys(cfg.Users)) {
		passwd.WriteString(passwdLine(u, cfg.Users[u]))
	}
	ports := freePorts(tb, 4)
	s.IMAPS, s.IMAP, s.Submissions, s.Submission = at(ports[0]), at(ports[1]), at(ports[2]), at(ports[3])
	mechanisms := cfg.Mechanisms
	if len(mechanisms) == 0 {
		mechanisms = []string{"plain", "login"}
	}
	files := map[string]file{}
	if cfg.Introspection != "" {
		mechanisms = append(slices.Clone(mechanisms), "xoauth2")
		args := filepath.Join(s.Dir, "oauth2.conf.ext")
		cfg.Extra += "passdb {\n  driver = oauth2\n  mechanisms = xoauth2\n  args = " + args + "\n}\n"
		files[filepath.Base(args)] = file{"introspection_url = " + cfg.Introspection + "\n" + introspection, 0o644}
	}
	uid, gid, drop := owner(tb)
	conf := strings.NewReplacer(
		"@dir@", s.Dir, "@imaps@", ports[0], "@imap@", ports[1], "@submissions@", ports[2], "@submission@", ports[3],
		"@mechanisms@", strings.ToLower(strings.Join(mechanisms, " ")), "@relay_port@", strconv.Itoa(relay.Port),
		"@uid@", uid, "@gid@", gid, "@drop@", drop, "@extra@", cfg.Extra,
	).Replace(template)
	maps.Copy(files, map[string]file{
		"dovecot.conf": {conf, 0o644}, "cert.pem": {string(cert), 0o644}, "key.pem": {string(key), 0o600}, "passwd": {passwd.String(), 0o644},
	})
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(content.text), content.mode); err != nil {
			tb.Fatal(err)
		}
	}
	// Mail belongs to whom Dovecot drops to.
	box := filepath.Join(s.Dir, "mail")
	if err := os.Mkdir(box, 0o777); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(box, 0o777); err != nil {
		tb.Fatal(err)
	}
}

type file struct {
	text string
	mode os.FileMode
}

// introspection is how a provider is asked, beside where.
const introspection = "introspection_mode = post\nusername_attribute = email\nactive_attribute = active\nactive_value = true\n"

// owner is whose mail it is, and what Dovecot needs to know where it cannot drop privileges.
func owner(tb testing.TB) (uid, gid, drop string) {
	tb.Helper()
	if os.Getuid() == 0 {
		return "65534", "65534", "" // nobody, nogroup
	}
	me, err := user.Current()
	if err != nil {
		tb.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		tb.Fatal(err)
	}
	return me.Uid, me.Gid, fmt.Sprintf("default_internal_user = %s\ndefault_login_user = %s\ndefault_internal_group = %s\n", me.Username, me.Username, group.Name)
}

// started is the line that Dovecot logs once it listens.
const started = "starting up"

func (s *Server) run(tb testing.TB) {
	tb.Helper()
	cmd := exec.Command("/usr/sbin/dovecot", "-F", "-c", filepath.Join(s.Dir, "dovecot.conf"))
	pipe, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		var once sync.Once
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			s.mu.Lock()
			s.log.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
			if strings.Contains(lines.Text(), started) {
				once.Do(func() { close(ready) })
			}
		}
	}()
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		_ = w.Close()
		close(ended)
	}()
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	select {
	case <-ready:
	case <-ended:
		tb.Fatalf("Dovecot ended at once:\n%s", s.Log())
	case <-time.After(10 * time.Second):
		tb.Fatalf("Dovecot is not ready after ten seconds:\n%s", s.Log())
	}
}

// Log is what Dovecot logged so far.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func at(port string) string { return net.JoinHostPort("127.0.0.1", port) }

func freePorts(tb testing.TB, n int) []string {
	tb.Helper()
	var out []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		defer ln.Close() // held until then so that each is another
		_, port, err := net.SplitHostPort(ln.Addr().String())
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, port)
	}
	return out
}

const template = `
base_dir = @dir@/run
state_dir = @dir@/state
log_path = /dev/stderr
instance_name = latchkey-test
protocols = imap submission
listen = 127.0.0.1
@drop@
ssl = yes
ssl_cert = <@dir@/cert.pem
ssl_key = <@dir@/key.pem
disable_plaintext_auth = yes
auth_mechanisms = @mechanisms@
auth_failure_delay = 0
auth_username_format = %Lu
# Any byte may be in a login: ours are addresses of any script.
auth_username_chars =
first_valid_uid = 1
mail_location = maildir:@dir@/mail/%n
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u @dir@/passwd
}
userdb {
  driver = static
  args = uid=@uid@ gid=@gid@ home=@dir@/mail/%n
}
service imap-login {
  chroot =
  inet_listener imap {
    port = @imap@
  }
  inet_listener imaps {
    port = @imaps@
    ssl = yes
  }
}
service submission-login {
  chroot =
  inet_listener submission {
    port = @submission@
  }
  inet_listener submissions {
    port = @submissions@
    ssl = yes
  }
}
service anvil {
  chroot =
  # Wrong passwords are answered more and more slowly otherwise.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
submission_relay_host = 127.0.0.1
submission_relay_port = @relay_port@
submission_relay_trusted = yes
@extra@
`
