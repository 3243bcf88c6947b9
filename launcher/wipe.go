package launcher

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// wipeEnviron overwrites the values of the named variables in this process: in the block that the kernel laid down at
// exec, which /proc/PID/environ shows, and in the copy that the Go runtime made of it. The resolver has read them by
// then. What os.Setenv stored is not reached; ward sets none.
func wipeEnviron(names []string) error {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, set := os.LookupEnv(name); return !set })
	if len(names) == 0 {
		return nil
	}
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok && value != "" {
			// The string is a part of the runtime's copy, not a copy of its own.
			clear(unsafe.Slice(unsafe.StringData(value), len(value)))
		}
	}
	block, err := environBlock()
	if err != nil {
		return err
	}
	for len(block) > 0 {
		entry, rest, _ := bytes.Cut(block, []byte{0})
		if name, value, ok := bytes.Cut(entry, []byte{'='}); ok && slices.Contains(names, string(name)) {
			clear(value)
		}
		block = rest
	}
	return nil
}

// environBlock is the memory behind /proc/self/environ. Its address is reached from that of the arguments, which Go's
// os.Args still point to (runtime.goargs), and which the kernel tells as well: arg_start, env_start and env_end are
// the fields 48, 50 and 51 of proc_pid_stat(5). If the two disagree, nothing is touched.
func environBlock() ([]byte, error) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return nil, nil // this system shows no process another's environment
	}
	data, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // the first of these is field 3
	field := func(n int) uintptr {
		if n-3 >= len(fields) {
			return 0
		}
		v, _ := strconv.ParseUint(fields[n-3], 10, 64)
		return uintptr(v)
	}
	args, start, end := field(48), field(50), field(51)
	first := unsafe.Pointer(unsafe.StringData(os.Args[0]))
	if os.Args[0] == "" || uintptr(first) != args || start < args || end < start {
		return nil, errors.New("environment: the memory behind it was not found, so it cannot be overwritten")
	}
	return unsafe.Slice((*byte)(unsafe.Add(first, start-args)), end-start), nil
}
