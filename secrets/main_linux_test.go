package secrets

func helpers() map[string]func() int {
	return map[string]func() int{
		"filesystems": filesystemProbe, "keep": mortalKeep, "index": indexWriter, "index-endless": indexEndless, "keyring": keyringWrites,
		"memlock": memlockProbe, "runner": mortalRunner, "unlock": unlockProbe, "vault": vaultWrites,
	}
}
