// Command testsum reads `go test -json` and says what a person wants to know: each package with how
// many tests passed and how long it took, the output of what failed, and how many passed in all.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Elapsed    float64
	Output     string
}

type tally struct {
	passed, failed, skipped int
	badPackages             int
	perPackage              map[string]int
	output                  map[string]*strings.Builder
}

func main() {
	if !run(os.Stdin, os.Stdout) {
		os.Exit(1)
	}
}

// run prints the summary and tells whether everything passed.
func run(in io.Reader, out io.Writer) bool {
	t := &tally{perPackage: map[string]int{}, output: map[string]*strings.Builder{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			_, _ = fmt.Fprintln(out, lines.Text()) // a build failure, in words
			continue
		}
		t.take(e, out)
	}
	if t.passed+t.failed == 0 {
		_, _ = fmt.Fprintln(out, "no test ran")
		return false
	}
	skipped := ""
	if t.skipped > 0 {
		skipped = fmt.Sprintf(", %d skipped", t.skipped)
	}
	_, _ = fmt.Fprintf(out, "\n%d passed, %d failed%s\n", t.passed, t.failed+t.badPackages, skipped)
	return t.failed == 0 && t.badPackages == 0 && lines.Err() == nil
}

func (t *tally) take(e event, out io.Writer) {
	key := e.Package + "/" + e.Test
	switch e.Action {
	case "output":
		if t.output[key] == nil {
			t.output[key] = &strings.Builder{}
		}
		t.output[key].WriteString(e.Output)
	case "build-output":
		_, _ = fmt.Fprint(out, e.Output)
	case "pass":
		delete(t.output, key)
		if e.Test != "" {
			t.passed++
			t.perPackage[e.Package]++
			return
		}
		if n := t.perPackage[e.Package]; n > 0 {
			_, _ = fmt.Fprintf(out, "ok    %-48s %4d tests %7.1f s\n", strings.TrimPrefix(e.Package, "latchkey/"), n, e.Elapsed)
		}
	case "skip":
		if e.Test != "" {
			t.skipped++
			_, _ = fmt.Fprintf(out, "skip  %s\n%s", key, t.text(key))
		}
	case "fail":
		_, _ = fmt.Fprintf(out, "FAIL  %s\n%s", key, t.text(key))
		switch {
		case e.Test != "":
			t.failed++
			t.perPackage[e.Package+" failed"]++
		case t.perPackage[e.Package+" failed"] == 0: // a panic, a timeout or a build failure
			t.badPackages++
		}
	}
}

func (t *tally) text(key string) string {
	if b := t.output[key]; b != nil {
		return b.String()
	}
	return ""
}
