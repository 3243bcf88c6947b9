package sandbox

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// foreign makes calls by the other doors of the processor: numbers of x32, and int 0x80 with the numbers of i386.
func foreign() {
	say("x32 getpid", call(unix.SYS_GETPID|x32Bit))
	say("i386 getpid", int80(20))
}

// int80 runs "mov eax, number; int 0x80; mov [result], eax; ret" from a page of its own.
func int80(number uint32) error {
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	result := (*int32)(unsafe.Pointer(&page[2048]))
	code := binary.LittleEndian.AppendUint32([]byte{0xb8}, number)
	code = append(code, 0xcd, 0x80, 0xa3)
	code = binary.LittleEndian.AppendUint64(code, uint64(uintptr(unsafe.Pointer(result))))
	copy(page, append(code, 0xc3))
	// A func value points to a word that points to the code.
	entry := &page[0]
	value := &entry
	(*(*func())(unsafe.Pointer(&value)))()
	if *result < 0 {
		return unix.Errno(-*result)
	}
	return nil
}
