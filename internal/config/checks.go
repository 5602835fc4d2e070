package config

import "time"

// Checks says how connected accounts are looked after.
type Checks struct {
	CheckEvery    time.Duration `env:"LATCHKEY_CHECK_EVERY" default:"15m" placeholder:"TIME" help:"Pause between two checks of an account that works, such as 15m; other pauses follow from it. 0 checks nothing by itself."`
	CheckPatience time.Duration `env:"LATCHKEY_CHECK_PATIENCE" default:"6h" placeholder:"TIME" help:"How long an outage may last before it is told as ERROR."`
	CheckRate     float64       `env:"LATCHKEY_CHECK_RATE" default:"20" placeholder:"N" help:"How many accounts of one provider, or of one mail host, are checked in a second, by all servers together."`
}

func (c *Checks) check(add func(variable, format string, args ...any)) {
	const shortest = time.Second
	if c.CheckEvery < 0 || c.CheckEvery > 0 && c.CheckEvery < shortest {
		add("LATCHKEY_CHECK_EVERY", "must be a time of at least 1s, such as 15m, or 0 for no checks")
	}
	if c.CheckPatience < 0 {
		add("LATCHKEY_CHECK_PATIENCE", "must be a time, such as 6h")
	}
	if !(c.CheckRate >= 0) {
		add("LATCHKEY_CHECK_RATE", "must be a number of accounts per second")
	}
}
