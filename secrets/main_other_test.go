//go:build unix && !linux

package secrets

func helpers() map[string]func() int {
	return map[string]func() int{"index": indexWriter, "index-endless": indexEndless}
}
