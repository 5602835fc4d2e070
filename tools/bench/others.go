package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// busy is a look at the clock of the processors: figures that were taken while others used the machine
// are not the machine's.
type busy struct {
	at        time.Time
	all, ours time.Duration
}

func readBusy() (busy, error) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return busy{}, err
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return busy{}, errors.New("/proc/stat is not as it should be")
	}
	b := busy{at: time.Now()}
	for i, f := range fields[1:9] {
		if i == 3 || i == 4 { // idle, and waiting for the disk
			continue
		}
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return b, err
		}
		b.all += time.Duration(n) * clockTick
	}
	b.ours, err = ourCPU()
	return b, err
}

// others is the part of the machine's time that went to other programs since.
func (b busy) others() (float64, error) {
	now, err := readBusy()
	if err != nil {
		return 0, err
	}
	wall := now.at.Sub(b.at) * time.Duration(runtime.NumCPU())
	return max(0, float64(now.all-b.all-(now.ours-b.ours))/float64(wall)), nil
}

// ourCPU is what this program and everything that it has started have taken so far.
func ourCPU() (time.Duration, error) {
	type process struct {
		parent int
		cpu    time.Duration
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	all := map[int]process{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
		fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
		if len(fields) < 15 {
			continue
		}
		var p process
		p.parent, _ = strconv.Atoi(fields[1])
		for _, f := range fields[11:15] { // its own time, and that of children that have ended
			n, _ := strconv.ParseInt(f, 10, 64)
			p.cpu += time.Duration(n) * clockTick
		}
		all[pid] = p
	}
	var sum time.Duration
	for pid, p := range all {
		for at, steps := pid, 0; steps < 64; steps++ {
			if at == os.Getpid() {
				sum += p.cpu
				break
			}
			up, ok := all[at]
			if !ok {
				break
			}
			at = up.parent
		}
	}
	return sum, nil
}
