package secrets

func helpers() map[string]func() int {
	return map[string]func() int{"index": indexWriter, "memlock": memlockProbe, "filesystems": filesystemProbe}
}
