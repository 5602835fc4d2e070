package config

import (
	"net"
	"time"
)

// Operation is how the installation is watched and stopped.
type Operation struct {
	MetricsListen string        `env:"LATCHKEY_METRICS_LISTEN" placeholder:"HOST:PORT" help:"Where Prometheus reads /metrics, such as 127.0.0.1:9090. Off unless set: nothing there asks for a key."`
	DrainTime     time.Duration `env:"LATCHKEY_DRAIN_TIME" default:"300ms" placeholder:"DURATION" help:"How long requests are still taken after /readyz has begun to say 503."`

	KeepLinks int `env:"LATCHKEY_KEEP_LINKS" default:"90" placeholder:"DAYS" help:"How many days a link is kept after its end; 0 is for ever."`
	KeepAudit int `env:"LATCHKEY_KEEP_AUDIT" default:"365" placeholder:"DAYS" help:"How many days the audit trail is kept; 0 is for ever."`
}

// maxDrain keeps a slip of the pen from holding up every restart.
const maxDrain = 5 * time.Minute

// maxKeep is a hundred years, in days.
const maxKeep = 36_500

func (o *Operation) check(add func(variable, format string, args ...any)) {
	if o.MetricsListen != "" {
		if _, _, err := net.SplitHostPort(o.MetricsListen); err != nil {
			add("LATCHKEY_METRICS_LISTEN", "must be HOST:PORT, such as 127.0.0.1:9090, or empty")
		}
	}
	for variable, days := range map[string]*int{"LATCHKEY_KEEP_LINKS": &o.KeepLinks, "LATCHKEY_KEEP_AUDIT": &o.KeepAudit} {
		if *days < 0 || *days > maxKeep {
			add(variable, "must be a number of days up to %d, or 0 for ever", maxKeep)
		}
	}
	if o.DrainTime < 0 || o.DrainTime > maxDrain {
		add("LATCHKEY_DRAIN_TIME", "must be from 0s to 5m, such as 5s")
	}
}
