package dovecot

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	"latchkey/internal/connector/imap/mailhost"
)

// Host is a running Dovecot.
type Host struct {
	// The ports: IMAPS and Submissions speak TLS from the first byte, the others after STARTTLS.
	IMAPS, IMAP, Submissions, Submission int
	// CAPEM is the authority of its certificate.
	CAPEM []byte

	dir     string
	mu      sync.Mutex
	pass    map[string]string
	changes int
}

// Start starts a host whose certificate has the name. It ends with the test.
func Start(t testing.TB, name string) *Host {
	t.Helper()
	h, err := start(t, name)
	if err != nil {
		t.Fatalf("dovecot: %v", err)
	}
	return h
}

func start(t testing.TB, name string) (*Host, error) {
	bin, err := binary()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	// Under /tmp, since the path of a socket may have 107 bytes.
	dir, err := os.MkdirTemp("/tmp", "latchkey-dovecot-") //nolint:usetesting // see above
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &Host{dir: dir, pass: map[string]string{}}
	issuer, err := mailhost.Start(mailhost.Config{Names: []string{name}})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = issuer.Close() })
	h.CAPEM = issuer.CAPEM()
	if err := h.writeFiles(issuer, as, name); err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "-F", "-c", filepath.Join(dir, "dovecot.conf")) //nolint:noctx,gosec // ends below; found above
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true, Credential: as.credential}
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := launch(cmd); err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-exited
		}
	})
	if err := h.await(exited); err != nil {
		return nil, fmt.Errorf("%w\n%s%s", err, out, h.Log())
	}
	return h, nil
}

// launch starts the process from a thread that is kept: the kernel ends the process with it.
func launch(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		started <- cmd.Start()
		if cmd.Process != nil {
			select {}
		}
	}()
	return <-started
}

const startTime = 20 * time.Second

// await waits for the greeting.
func (h *Host) await(exited <-chan struct{}) error {
	for deadline := time.Now().Add(startTime); ; time.Sleep(20 * time.Millisecond) {
		conn, err := h.dial(h.IMAPS)
		if err == nil {
			line, err := bufio.NewReader(conn).ReadString('\n')
			_ = conn.Close()
			if err == nil && strings.HasPrefix(line, "* OK") {
				return nil
			}
		}
		select {
		case <-exited:
			return errors.New("it ended")
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

// SetPassword adds a user or changes a password, and returns when the new one works.
func (h *Host) SetPassword(t testing.TB, user, password string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pass[user] = password
	var b strings.Builder
	for u, p := range h.pass {
		fmt.Fprintf(&b, "%s:{PLAIN.b64}%s::::::\n", u, base64.StdEncoding.EncodeToString([]byte(p)))
	}
	// Another file in its place: Dovecot never reads half of one.
	next := filepath.Join(h.dir, "users.next")
	if err := os.WriteFile(next, []byte(b.String()), 0o644); err != nil { //nolint:gosec // samples, read by another user
		t.Fatal(err)
	}
	// Dovecot looks at whole seconds to see whether the file has changed.
	h.changes++
	at := time.Now().Add(time.Duration(h.changes) * time.Second)
	if err := os.Chtimes(next, at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(h.dir, "users")); err != nil {
		t.Fatal(err)
	}
	// Dovecot looks at the file now and then only.
	for deadline := time.Now().Add(startTime); ; time.Sleep(20 * time.Millisecond) {
		err := h.login(user, password)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("dovecot: the new password does not work: %v\n%s", err, h.Log())
		}
	}
}

// login tries a password.
func (h *Host) login(user, password string) error {
	conn, err := h.dial(h.Submissions)
	if err != nil {
		return err
	}
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	return errors.Join(c.Auth(smtp.PlainAuth("", user, password, "localhost")), c.Close())
}

func (h *Host) dial(port int) (net.Conn, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.CAPEM)
	d := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}}
	return d.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// Log is what Dovecot wrote.
func (h *Host) Log() string {
	b, err := os.ReadFile(filepath.Join(h.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func binary() (string, error) {
	for _, p := range []string{"/usr/sbin/dovecot", "/usr/local/sbin/dovecot"} {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	if p, err := exec.LookPath("dovecot"); err == nil {
		return p, nil
	}
	return "", errors.New("not installed; run: apt-get install -y dovecot-imapd dovecot-submissiond")
}

// runAs is whom Dovecot runs as.
type runAs struct {
	name, group string
	uid, gid    int
	credential  *syscall.Credential
}

// unprivileged is ourselves, unless we are root: Dovecot gives mail to nobody with root's id.
func unprivileged() (runAs, error) {
	u, err := user.Current()
	if err == nil && u.Uid == "0" {
		for _, name := range []string{"dovecot", "nobody"} {
			if u, err = user.Lookup(name); err == nil {
				break
			}
		}
	}
	if err != nil {
		return runAs{}, err
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return runAs{}, err
	}
	as := runAs{name: u.Username, group: g.Name}
	if as.uid, err = strconv.Atoi(u.Uid); err != nil {
		return as, err
	}
	if as.gid, err = strconv.Atoi(u.Gid); err != nil {
		return as, err
	}
	if os.Getuid() == 0 {
		as.credential = &syscall.Credential{Uid: uint32(as.uid), Gid: uint32(as.gid)} //nolint:gosec // ids of this machine
	}
	return as, nil
}

//nolint:gochecknoglobals // a constant
var configuration = template.Must(template.New("").Parse(`
base_dir = {{.Dir}}/run
state_dir = {{.Dir}}/state
log_path = {{.Dir}}/log
auth_verbose = yes
auth_failure_delay = 0
default_internal_user = {{.As.Name}}
default_internal_group = {{.As.Group}}
default_login_user = {{.As.Name}}
protocols = imap submission
listen = 127.0.0.1
hostname = {{.Name}}
ssl = required
ssl_cert = <{{.Dir}}/cert.pem
ssl_key = <{{.Dir}}/key.pem
auth_mechanisms = plain login
passdb {
  driver = passwd-file
  args = username_format=%u {{.Dir}}/users
}
userdb {
  driver = static
  args = uid={{.As.UID}} gid={{.As.GID}} home={{.Dir}}/mail/%u
}
first_valid_uid = 1
mail_location = maildir:~/Maildir
submission_relay_host = 127.0.0.1
submission_relay_port = {{.Relay}}
submission_relay_trusted = no
service anvil {
  chroot =
  # No growing delay after wrong passwords: all tests come from one address.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = {{.Host.IMAP}}
  }
  inet_listener imaps {
    port = {{.Host.IMAPS}}
    ssl = yes
  }
}
service submission-login {
  chroot =
  inet_listener submission {
    port = {{.Host.Submission}}
  }
  inet_listener submissions {
    port = {{.Host.Submissions}}
    ssl = yes
  }
}
`))

// writeFiles writes the configuration. issuer lends its certificate, and takes what is submitted.
func (h *Host) writeFiles(issuer *mailhost.Host, as runAs, name string) error {
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	h.IMAPS, h.IMAP, h.Submissions, h.Submission = ports[0], ports[1], ports[2], ports[3]
	issued := issuer.ServerTLS().Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(issued.PrivateKey)
	if err != nil {
		return err
	}
	var conf bytes.Buffer
	type who struct {
		Name, Group string
		UID, GID    int
	}
	err = configuration.Execute(&conf, struct {
		Dir, Name string
		As        who
		Host      *Host
		Relay     int
	}{h.dir, name, who{as.name, as.group, as.uid, as.gid}, h, issuer.Port(mailhost.Submission)})
	if err != nil {
		return err
	}
	for file, content := range map[string][]byte{
		"dovecot.conf": conf.Bytes(), "users": nil,
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued.Certificate[0]}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(filepath.Join(h.dir, file), content, 0o600); err != nil {
			return err
		}
	}
	if as.credential == nil {
		return nil
	}
	for _, file := range []string{"", "dovecot.conf", "users", "cert.pem", "key.pem"} {
		if err := os.Chown(filepath.Join(h.dir, file), as.uid, as.gid); err != nil {
			return err
		}
	}
	return nil
}

func freePorts(n int) ([]int, error) {
	var out []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed below
		if err != nil {
			return nil, err
		}
		defer ln.Close() // open until all are found
		_, port, err := net.SplitHostPort(ln.Addr().String())
		if err != nil {
			return nil, err
		}
		p, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	slices.Sort(out)
	return out, nil
}
