package secrets

func helpers() map[string]func() int {
	return map[string]func() int{"index": indexWriter, "index-endless": indexEndless, "memlock": memlockProbe, "filesystems": filesystemProbe}
}
