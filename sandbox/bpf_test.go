package sandbox

import (
	"reflect"
	"strings"
	"testing"
)

func TestAssemble(t *testing.T) {
	a := &assembler{}
	a.load(4)
	a.equal(7, "yes")
	a.ret(1)
	a.label("yes")
	a.and(3)
	a.always("end")
	a.label("end")
	a.ret(2)
	got, err := a.assemble()
	if err != nil {
		t.Fatal(err)
	}
	want := []instruction{
		{code: bpfLoad, k: 4}, {code: bpfJumpEqual, jt: 1, k: 7}, {code: bpfReturn, k: 1}, {code: bpfAnd, k: 3},
		{code: bpfJumpGE}, {code: bpfReturn, k: 2},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAssembleErrors(t *testing.T) {
	for name, c := range map[string]struct {
		build func(*assembler)
		want  string
	}{
		"unknown label": {func(a *assembler) { a.equal(1, "nowhere") }, `filter: no label "nowhere"`},
		"backwards":     {func(a *assembler) { a.label("start"); a.equal(1, "start") }, `filter: "start" is -1 instructions away, 0 to 255 can be reached`},
		"too far": {func(a *assembler) {
			a.equal(1, "far")
			for range 256 {
				a.ret(0)
			}
			a.label("far")
		}, `filter: "far" is 256 instructions away`},
	} {
		a := &assembler{}
		c.build(a)
		if _, err := a.assemble(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	a := &assembler{}
	a.equal(1, "edge")
	for range 255 {
		a.ret(0)
	}
	a.label("edge")
	if got, err := a.assemble(); err != nil || got[0].jt != 255 {
		t.Errorf("the longest jump: %v", err)
	}
}
