// Command latchkey is the whole product in one binary; see latchkey --help.
package main

import (
	"os"

	"latchkey/internal/app"
)

func main() {
	os.Exit(app.Main(os.Args[1:], os.Stdout, os.Stderr))
}
