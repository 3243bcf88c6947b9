package sandbox

import "fmt"

// The classic BPF that seccomp takes: a load, comparisons that jump forward, and returns. Jumps are written as labels
// and turned into distances here, because a distance counted by hand is a hole waiting for the next edit.

// Codes of include/uapi/linux/bpf_common.h, as far as a seccomp filter needs them.
const (
	bpfLoad      = 0x20 // BPF_LD|BPF_W|BPF_ABS
	bpfAnd       = 0x54 // BPF_ALU|BPF_AND|BPF_K
	bpfJumpEqual = 0x15 // BPF_JMP|BPF_JEQ|BPF_K
	bpfJumpGE    = 0x35 // BPF_JMP|BPF_JGE|BPF_K
	bpfJumpSet   = 0x45 // BPF_JMP|BPF_JSET|BPF_K
	bpfReturn    = 0x06 // BPF_RET|BPF_K
)

// instruction is one struct sock_filter.
type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// assembler collects instructions whose jumps name labels.
type assembler struct {
	code   []instruction
	jumps  map[int]string // index of a jump → label taken when its condition holds
	labels map[string]int
}

func (a *assembler) emit(code uint16, k uint32) {
	a.code = append(a.code, instruction{code: code, k: k})
}

// load puts the 32-bit word at offset of struct seccomp_data into the accumulator.
func (a *assembler) load(offset uint32) { a.emit(bpfLoad, offset) }

// and keeps only the bits of mask in the accumulator.
func (a *assembler) and(mask uint32) { a.emit(bpfAnd, mask) }

func (a *assembler) ret(action uint32) { a.emit(bpfReturn, action) }

func (a *assembler) jump(code uint16, k uint32, label string) {
	if a.jumps == nil {
		a.jumps = map[int]string{}
	}
	a.jumps[len(a.code)] = label
	a.emit(code, k)
}

// equal, atLeast and anyBit go to label when the accumulator is k, is at least k, has a bit of k; else they go on.
func (a *assembler) equal(k uint32, label string)   { a.jump(bpfJumpEqual, k, label) }
func (a *assembler) atLeast(k uint32, label string) { a.jump(bpfJumpGE, k, label) }
func (a *assembler) anyBit(k uint32, label string)  { a.jump(bpfJumpSet, k, label) }

// always goes to label: "greater or equal to zero" is always true.
func (a *assembler) always(label string) { a.atLeast(0, label) }

func (a *assembler) label(name string) {
	if a.labels == nil {
		a.labels = map[string]int{}
	}
	a.labels[name] = len(a.code)
}

// assemble resolves the labels. A jump reaches at most 255 instructions, which the kernel's format sets.
func (a *assembler) assemble() ([]instruction, error) {
	for at, name := range a.jumps {
		to, ok := a.labels[name]
		if !ok {
			return nil, fmt.Errorf("filter: no label %q", name)
		}
		distance := to - at - 1
		if distance < 0 || distance > 255 {
			return nil, fmt.Errorf("filter: %q is %d instructions away, 0 to 255 can be reached", name, distance)
		}
		a.code[at].jt = uint8(distance)
	}
	return a.code, nil
}
