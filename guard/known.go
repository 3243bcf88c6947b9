package guard

import "sync/atomic"

// Another makes a guard for another stream of the same command, without a
// terminal. It looks for the same values, in the same memory.
func (g *Guard) Another() *Guard {
	other := &Guard{mode: g.mode, names: g.names, given: g.given, known: g.known}
	if g.known != nil {
		g.known.users.Add(1)
		other.allot(0, 0)
	}
	return other
}

// known is what guards look for. Several can share it, as nothing in it changes.
type known struct {
	arena  *arena
	tables []*table
	users  atomic.Int32
	many   bool // heads
	bound  bool // some value is matched whole
}

// newKnown gives nil where there is nothing to look for.
func newKnown(key Key, prints []Print, opt Options) (*known, error) {
	size, windows := sizeOf(prints)
	stored, marks := sizeOf(opt.Stored)
	if windows+marks == 0 {
		return nil, nil
	}
	k := &known{arena: newArena(size.bytes() + stored.bytes()), many: size.heads+stored.heads > manyHead}
	k.users.Store(1)
	if windows > 0 {
		k.tables = append(k.tables, newTable(k.arena, key, prints, size, 0))
	}
	if marks > 0 {
		k.tables = append(k.tables, newTable(k.arena, opt.StoredKey, opt.Stored, stored, len(prints)))
	}
	for _, t := range k.tables {
		k.bound = k.bound || len(t.tails) > 0
	}
	return k, k.arena.err
}
