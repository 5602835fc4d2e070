package config

import (
	"net"
	"time"
)

// Operation is how the installation is watched and stopped.
type Operation struct {
	MetricsListen string        `env:"LATCHKEY_METRICS_LISTEN" placeholder:"HOST:PORT" help:"Where Prometheus reads /metrics, such as 127.0.0.1:9090. Off unless set: nothing there asks for a key."`
	DrainTime     time.Duration `env:"LATCHKEY_DRAIN_TIME" default:"300ms" placeholder:"DURATION" help:"How long requests are still taken after /readyz has begun to say 503."`
}

// maxDrain keeps a slip of the pen from holding up every restart.
const maxDrain = 5 * time.Minute

func (o *Operation) check(add func(variable, format string, args ...any)) {
	if o.MetricsListen != "" {
		if _, _, err := net.SplitHostPort(o.MetricsListen); err != nil {
			add("LATCHKEY_METRICS_LISTEN", "must be HOST:PORT, such as 127.0.0.1:9090, or empty")
		}
	}
	if o.DrainTime < 0 || o.DrainTime > maxDrain {
		add("LATCHKEY_DRAIN_TIME", "must be from 0s to 5m, such as 5s")
	}
}
