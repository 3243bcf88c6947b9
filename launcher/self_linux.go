package launcher

// selfPath is this very binary, also when the file was replaced or removed meanwhile.
func selfPath() string { return "/proc/self/exe" }
