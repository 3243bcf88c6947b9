package secrets

func helpers() map[string]func() int {
	return map[string]func() int{"index": indexWriter, "keep": mortalKeep, "index-endless": indexEndless, "keyring": keyringWrites, "memlock": memlockProbe, "filesystems": filesystemProbe}
}
