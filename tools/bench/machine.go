package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// machine is where the figures come from: they mean nothing without it.
type machine struct {
	cpu, kernel, memory, load string
	cores                     int
}

func describeMachine() machine {
	m := machine{cores: runtime.NumCPU(), cpu: runtime.GOARCH}
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	if raw, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.kernel = strings.TrimSpace(string(raw))
	}
	if raw, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load = strings.Fields(string(raw))[0]
	}
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err == nil {
		m.memory = fmt.Sprintf("%.1f GiB", float64(info.Totalram)*float64(info.Unit)/(1<<30))
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, Linux %s, %s; load %s before the run. The load generator, the mail host and the servers share the cores.",
		m.cpu, m.cores, m.memory, m.kernel, runtime.Version(), m.load)
}
