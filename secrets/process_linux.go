package secrets

import "syscall"

// attributes put a program into a process group of its own, and end it when
// this process is killed without a word: the kernel then sends the signal. (It
// would do so already when the forking thread ends, but Go ends none to which no
// goroutine was locked.) What the program itself started is not reached by it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
