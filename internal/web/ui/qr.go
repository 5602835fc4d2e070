package ui

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"rsc.io/qr"
)

// quiet is the margin in modules that readers need around a code (ISO/IEC 18004 §9.1).
const quiet = 4

// QR draws text as a code of black on white, whatever the colour scheme: many readers cannot see
// inverted ones. label says to those who cannot see it what it is.
func QR(text, label string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", fmt.Errorf("ui: qr: %w", err)
	}
	var d strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; {
			if !code.Black(x, y) {
				x++
				continue
			}
			run := x
			for run < code.Size && code.Black(run, y) {
				run++
			}
			n := strconv.Itoa(run - x)
			d.WriteString("M" + strconv.Itoa(x+quiet) + " " + strconv.Itoa(y+quiet) + "h" + n + "v1h-" + n + "z")
			x = run
		}
	}
	side := strconv.Itoa(code.Size + 2*quiet)
	return template.HTML(`<svg class="qr" viewBox="0 0 ` + side + " " + side + //nolint:gosec // digits, path letters and an escaped label only
		`" shape-rendering="crispEdges" role="img" aria-label="` + template.HTMLEscapeString(label) +
		`"><path fill="#fff" d="M0 0h` + side + `v` + side + `H0z"/><path d="` + d.String() + `"/></svg>`), nil
}
