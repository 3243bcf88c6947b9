package sandbox

// foreign has no other door to try here: 32-bit programs are separate processes.
func foreign() {}
