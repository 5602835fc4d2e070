package keepalive

import "time"

// BackOff lets tests see how long is waited.
func BackOff(fails int) time.Duration { return backOff(fails) }
