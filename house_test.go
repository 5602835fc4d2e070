package latchkey_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// file is one Go file of the house.
type file struct {
	path    string // from the root
	dir     string
	imports []string
	ast     *ast.File
	lines   int
	test    bool
}

func house(t *testing.T) []file {
	t.Helper()
	var out []file
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".cache" || d.Name() == ".git" || d.Name() == "sqlgen") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, path, src, parser.ParseComments)
		if err != nil {
			return err
		}
		f := file{
			path: filepath.ToSlash(path), dir: filepath.ToSlash(filepath.Dir(path)), ast: parsed,
			lines: strings.Count(string(src), "\n"), test: strings.HasSuffix(path, "_test.go"),
		}
		for _, im := range parsed.Imports {
			p, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, p)
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// testSupport are folders that only tests import.
var testSupport = regexp.MustCompile(`(^|/)(connectortest|otlptest|storetest|pgtest|wizardtest|dovecottest|browser|mailertest|proxytest)(/|$)|^e2e(/|$)|^tools(/|$)`)

func internal(imports []string) []string {
	var out []string
	for _, p := range imports {
		if p == "latchkey" || strings.HasPrefix(p, "latchkey/") {
			out = append(out, strings.TrimPrefix(strings.TrimPrefix(p, "latchkey"), "/"))
		}
	}
	return out
}

// TestArrowsPointOneWay holds the direction of imports: cmd → app → web → services → contracts →
// nouns. Each rule says why it is there.
func TestArrowsPointOneWay(t *testing.T) {
	services := regexp.MustCompile(`^internal/(hosted|accounts|keepalive|funnel|audit|hooks|applications|providerapps|authserver|mailer|remind|signin|operators|branding|domains)$`)
	concrete := regexp.MustCompile(`^internal/(store/sqlstore|connector/[a-z]+)(/|$)`)
	// What connectors share is no connector: it serves no provider by itself.
	common := regexp.MustCompile(`^internal/connector/(login|oauthflow)$`)
	connectors := regexp.MustCompile(`^internal/connector/[a-z]+(/|$)`)
	for _, f := range house(t) {
		if f.test || testSupport.MatchString(f.dir) {
			continue
		}
		for _, im := range internal(f.imports) {
			deny := func(why string) { t.Errorf("%s imports latchkey/%s: %s", f.path, im, why) }
			switch {
			case testSupport.MatchString(im):
				deny("this package is for tests")
			case f.dir == "." && im != "internal/errs":
				deny("the nouns import the standard library and internal/errs only, so that everything can import them")
			case f.dir == "internal/errs":
				deny("errors are below everything")
			case f.dir == "internal/connector" && im != "" && im != "internal/errs":
				deny("the contract of connectors knows the nouns only")
			case f.dir == "internal/store" && im != "" && im != "internal/errs":
				deny("the contract of the store knows the nouns only")
			case services.MatchString(f.dir) && services.MatchString(im):
				deny("services do not import each other; the consumer declares a small interface")
			case services.MatchString(f.dir) && strings.HasPrefix(im, "internal/web"):
				deny("services know no web page")
			case common.MatchString(im) && connectors.MatchString(f.dir):
			case concrete.MatchString(im) && !sameRoom(f.dir, im) && !strings.HasPrefix(f.dir, "internal/app"):
				deny("adapters (the SQL store, each connector) are put in by internal/app alone")
			case strings.HasPrefix(f.dir, "internal/connector/") && (strings.HasPrefix(im, "internal/store") || strings.HasPrefix(im, "internal/web") || im == "internal/hosted" || im == "internal/safehttp"):
				deny("a connector knows no database, no web page and no policy; what it needs it is given")
			case im == "internal/app" && !strings.HasPrefix(f.dir, "cmd/"):
				deny("only cmd imports the composition root")
			case f.dir == "internal/demo":
				deny("the sample application is an outsider: it uses the API as any integrator does")
			}
		}
	}
}

func sameRoom(dir, im string) bool {
	room := func(p string) string {
		parts := strings.SplitN(p, "/", 4)
		return strings.Join(parts[:min(3, len(parts))], "/")
	}
	return room(dir) == room(im)
}

// TestNoHiddenState holds that nothing happens by importing.
func TestNoHiddenState(t *testing.T) {
	for _, f := range house(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function: construct things in internal/app", f.path)
			}
		}
	}
}

// TestFilesStayReadable keeps files and functions to what can be read in one sitting.
func TestFilesStayReadable(t *testing.T) {
	const maxFile, maxFunc = 500, 90
	for _, f := range house(t) {
		if f.test {
			continue
		}
		if f.lines > maxFile {
			t.Errorf("%s has %d lines: is it one thing?", f.path, f.lines)
		}
		src, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				base := int(f.ast.FileStart)
				n := strings.Count(string(src[int(fn.Pos())-base:int(fn.End())-base]), "\n")
				if n > maxFunc {
					t.Errorf("%s: %s has %d lines", f.path, fn.Name.Name, n)
				}
			}
		}
	}
}

// TestEveryPackageSaysWhatItIs wants a package comment.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	said := map[string]bool{}
	for _, f := range house(t) {
		if !f.test {
			said[f.dir] = said[f.dir] || f.ast.Doc != nil
		}
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("package %s does not say what it is: add a doc.go", dir)
		}
	}
}

// TestLibcMatchesSQLite guards a trap: modernc.org/sqlite works with exactly the libc that it was
// made with, and another dependency can raise it.
func TestLibcMatchesSQLite(t *testing.T) {
	version := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "go", args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	have := version("list", "-m", "-f", "{{.Version}}", "modernc.org/libc")
	mod, err := os.ReadFile(filepath.Join(version("list", "-m", "-f", "{{.Dir}}", "modernc.org/sqlite"), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`modernc\.org/libc (v\S+)`).FindStringSubmatch(string(mod))
	if want == nil || want[1] != have {
		t.Errorf("modernc.org/libc is %s, but modernc.org/sqlite wants %v", have, want)
	}
}

// TestDependenciesAreExplained wants a reason for each direct dependency.
func TestDependenciesAreExplained(t *testing.T) {
	doc, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
		if !strings.Contains(string(doc), m[1]) {
			t.Errorf("docs/dependencies.md does not say why %s is there", m[1])
		}
	}
}

// TestErrorCodesArePublished wants each code in the list that callers read.
func TestErrorCodesArePublished(t *testing.T) {
	doc, err := os.ReadFile("docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile("internal/errs/codes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`Code = "([a-z_]+)"`).FindAllStringSubmatch(string(src), -1) {
		if !strings.Contains(string(doc), "`"+m[1]+"`") {
			t.Errorf("docs/errors.md does not list `%s`", m[1])
		}
	}
}
