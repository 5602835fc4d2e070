package main

import (
	"strings"
	"testing"
)

func TestSummary(t *testing.T) {
	const good = `{"Action":"pass","Package":"latchkey/a","Test":"TestX"}
{"Action":"pass","Package":"latchkey/a","Elapsed":0.1}`
	var out strings.Builder
	if !run(strings.NewReader(good), &out) || !strings.HasSuffix(out.String(), "\n1 passed, 0 failed\n") {
		t.Errorf("good run: %s", out.String())
	}
	for name, bad := range map[string]string{
		"a test fails":     good + "\n" + `{"Action":"fail","Package":"latchkey/b","Test":"TestY"}` + "\n" + `{"Action":"fail","Package":"latchkey/b"}`,
		"a package breaks": good + "\n" + `{"Action":"fail","Package":"latchkey/b"}`,
		"nothing ran":      `{"Action":"pass","Package":"latchkey/a"}`,
	} {
		out.Reset()
		if run(strings.NewReader(bad), &out) {
			t.Errorf("%s: taken for good:\n%s", name, out.String())
		}
	}
}
