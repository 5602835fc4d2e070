// Package browser drives a real Chromium for tests: fresh profile, loopback only, and nothing on the
// console goes unnoticed.
package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// limit bounds one test's use of the browser.
const limit = 5 * time.Minute

// Tab is one tab of a browser of its own.
type Tab struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // a tab lives as long as its context: chromedp keeps it there

	mu       sync.Mutex
	messages []string
	marks    map[string]chan struct{}
	marked   int
}

// Open starts a browser that ends with the test. hosts maps names to 127.0.0.1, so that pages can be
// opened under names that no resolver knows.
func Open(t testing.TB, hosts ...string) *Tab {
	t.Helper()
	opts := []chromedp.ExecAllocatorOption{
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("hide-scrollbars", true),
	}
	if path := os.Getenv("CHROMIUM"); path != "" {
		opts = append(opts, chromedp.ExecPath(path))
	}
	rules := make([]string, 0, len(hosts)+1)
	for _, h := range hosts {
		rules = append(rules, "MAP "+h+" 127.0.0.1")
	}
	// Every other name is answered here and now: no test waits for, or leaks to, the network.
	rules = append(rules, "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost")
	opts = append(opts, chromedp.Flag("host-resolver-rules", strings.Join(rules, ", ")))

	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	tab := &Tab{t: t, ctx: ctx, marks: map[string]chan struct{}{}}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium does not start (apt-get install chromium, or set CHROMIUM): %v", err)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return // the tab was closed
			}
			tab.hear(m)
		}
	}()
	return tab
}

const markPrefix = "browser-mark-"

func (b *Tab) hear(m chromedp.ConsoleMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, ok := b.marks[m.Text]; ok {
		close(c)
		delete(b.marks, m.Text)
		return
	}
	b.messages = append(b.messages, m.String()+" "+m.URL)
}

// Console returns what the page wrote to the console since the last call: errors, refusals by the
// content security policy, exceptions.
func (b *Tab) Console() []string {
	b.t.Helper()
	b.mu.Lock()
	b.marked++
	mark := fmt.Sprint(markPrefix, b.marked)
	heard := make(chan struct{})
	b.marks[mark] = heard
	b.mu.Unlock()
	// Messages arrive in order: when the mark is heard, all before it were.
	b.Do(chromedp.Evaluate[chromedp.Void]("console.debug(" + quote(mark) + ")"))
	select {
	case <-heard:
	case <-b.ctx.Done():
		b.t.Fatal("the console went silent")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.messages
	b.messages = nil
	return out
}

func quote(s string) string {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return string(out)
}

// Context is the tab's, for actions of chromedp that this package does not wrap.
func (b *Tab) Context() context.Context { return b.ctx }

// Do runs actions and ends the test where one fails.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// Get runs one action and returns its value.
func Get[T any](b *Tab, a chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// Eval runs a script in the page.
func Eval[T any](b *Tab, script string) T {
	b.t.Helper()
	return Get(b, chromedp.Evaluate[T](script))
}

// View sets the size of the window and the colour scheme.
func (b *Tab) View(width, height int64, scheme string) {
	b.t.Helper()
	b.Do(chromedp.EmulateViewport(width, height))
	b.Media(scheme)
}

// Media sets the colour scheme, and asks for no animation so that pictures are alike.
func (b *Tab) Media(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// Scripts switches the page's own scripts off or on, from the next page on.
func (b *Tab) Scripts(on bool) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		b.t.Fatal(err)
	}
}

// Shot writes a picture of the whole page.
func (b *Tab) Shot(path string) {
	b.t.Helper()
	size := Eval[struct{ W, H int64 }](b, "({W: innerWidth, H: Math.max(innerHeight, document.documentElement.scrollHeight)})")
	// The window is made as tall as the page: captured beyond the viewport, a page that is written
	// from right to left comes out shifted.
	b.Do(chromedp.EmulateViewport(size.W, size.H))
	res, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: "png"})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, res.Data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// Root is the folder e2e, wherever the test runs.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("this file does not know where it is")
	}
	return filepath.Dir(filepath.Dir(file))
}
