//go:build !linux

package launcher

func helpers() map[string]func() int { return nil }
