//go:build unix

package sqlstore

import (
	"os"
	"syscall"
)

// lockFile takes the file's lock, unless somebody has it. It ends with the file or the process.
func lockFile(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
