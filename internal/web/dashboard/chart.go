package dashboard

import (
	"strconv"
	"strings"
)

// bars are a chart: lengths drawn as inline SVG, with the words and numbers as text beside them, so
// that they can be read, searched and enlarged.
type bars struct {
	Title string
	// Stack lays the rows end to end in one bar.
	Stack bool
	// Say is the chart in words.
	Say  string
	Rows []bar
}

type bar struct {
	Label, Count, Sub, Href, Tone string
	// X and Width are in thousandths of the chart's.
	X, Width int
	n        int64
}

// scaled gives the rows their lengths: of the sum in a stack, of the largest otherwise.
func (b *bars) scaled() *bars {
	var sum, most int64
	for _, r := range b.Rows {
		sum += r.n
		most = max(most, r.n)
	}
	whole := most
	if b.Stack {
		whole = sum
	}
	x := 0
	said := make([]string, 0, len(b.Rows))
	for i := range b.Rows {
		r := &b.Rows[i]
		r.Count = number(r.n)
		if whole > 0 {
			r.Width = int(r.n * 1000 / whole)
		}
		if r.n > 0 && r.Width < 4 {
			r.Width = 4 // little is not nothing
		}
		r.X = x
		x += r.Width
		said = append(said, r.Label+" "+r.Count)
	}
	b.Say = b.Title + ": " + strings.Join(said, ", ")
	return b
}

// number groups digits by thousands with a thin space, as ISO 80000-1 §7.3.1 has it.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}
