// Command ward starts an AI coding agent, or any command, with the secrets it needs and nothing else.
package main

import (
	"os"

	"ward/launcher"
	"ward/launcher/session"
	"ward/sandbox"
)

func main() {
	sandbox.Enter()
	launcher.EnterResolver()
	launcher.EnterClipboard()
	session.Enter()
	os.Exit(run(os.Args[1:]))
}
