package browser

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Axe returns the accessibility checker's source.
func Axe(t testing.TB) string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(Root(t), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("axe-core is missing; run: npm ci --prefix e2e --ignore-scripts --no-audit --no-fund\n%v", err)
	}
	return string(src)
}

// Violation is one rule that a page breaks.
type Violation struct {
	ID    string   `json:"id"`
	Help  string   `json:"help"`
	Nodes []string `json:"nodes"`
}

const runAxe = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v =>
  ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.target.join(" ") + ": " + n.failureSummary)})))`

// Check runs the checker on the page in view. Load it once per page with Inject.
func (b *Tab) Check() []Violation {
	b.t.Helper()
	return Get(b, chromedp.Evaluate[[]Violation](runAxe, func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }))
}

// Inject loads a script into the page in view, past its content security policy.
func (b *Tab) Inject(src string) {
	b.t.Helper()
	b.Do(chromedp.Evaluate[chromedp.Void](src + "\n;undefined"))
}
