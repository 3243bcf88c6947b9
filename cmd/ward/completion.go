package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is the example of `ward completion --help`.
func (completionCmd) Help() string {
	return `eval "$(ward completion bash)"                             (in ~/.bashrc)
eval "$(ward completion zsh)"                              (in ~/.zshrc, after compinit)
ward completion fish > ~/.config/fish/completions/ward.fish`
}

// Run is `ward completion`.
func (c *completionCmd) Run(stdout io.Writer, parsed *kong.Context) error {
	commands := completions(parsed.Model.Node)
	write := map[string]func(io.Writer, []completed) error{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	return write(stdout, commands)
}

// completed is what can follow a command.
type completed struct {
	name, help string
	words      []completed // subcommands and flags
	keys       bool        // its argument is the name of a secret
}

// completions reads the grammar.
func completions(node *kong.Node) (list []completed) {
	for _, child := range node.Children {
		if child.Hidden {
			continue
		}
		c := completed{name: child.Name, help: child.Help}
		for _, sub := range child.Children {
			c.words = append(c.words, completed{name: sub.Name, help: sub.Help})
		}
		for _, f := range child.Flags {
			if !f.Hidden {
				c.words = append(c.words, completed{name: "--" + f.Name, help: f.Help})
			}
		}
		for _, p := range child.Positional {
			c.keys = c.keys || slices.Contains([]string{"key", "old", "prefix"}, p.Name)
		}
		list = append(list, c)
	}
	return list
}

func names(list []completed) string {
	var all []string
	for _, c := range list {
		all = append(all, c.name)
	}
	return strings.Join(all, " ")
}

// cases is the same in bash and zsh: which words follow which command, and whether names of secrets do.
func cases(list []completed) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "    %s) candidates=%q", c.name, names(c.words))
		if c.keys {
			b.WriteString("; keys=1")
		}
		b.WriteString(" ;;\n")
	}
	return b.String()
}

// The names come from ls, which reads no value and asks nobody.
func bashCompletion(w io.Writer, list []completed) error {
	_, err := fmt.Fprintf(w, `_ward() {
  local current=${COMP_WORDS[COMP_CWORD]} candidates= keys=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W %q -- "$current"))
    return
  fi
  case ${COMP_WORDS[1]} in
%s  esac
  case $current in
    -*) ;;
    *) if [ -n "$keys" ]; then candidates="$candidates $(ward ls 2>/dev/null </dev/null)"; fi ;;
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}
complete -o default -F _ward ward
`, names(list), cases(list))
	return err
}

func zshCompletion(w io.Writer, list []completed) error {
	_, err := fmt.Fprintf(w, `#compdef ward
_ward() {
  local candidates= keys=
  if (( CURRENT == 2 )); then
    compadd -- %s
    return
  fi
  case $words[2] in
%s  esac
  compadd -- ${=candidates}
  if [[ -n $keys && $PREFIX != -* ]]; then
    compadd -- ${(f)"$(ward ls 2>/dev/null </dev/null)"}
  elif [[ $PREFIX != -* ]]; then
    _files
  fi
}
compdef _ward ward
`, names(list), cases(list))
	return err
}

func fishCompletion(w io.Writer, list []completed) error {
	quoted := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
	}
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "complete -c ward -n __fish_use_subcommand -f -a %s -d %s\n", c.name, quoted(c.help))
		seen := fmt.Sprintf("-n '__fish_seen_subcommand_from %s'", c.name)
		for _, word := range c.words {
			if flag, ok := strings.CutPrefix(word.name, "--"); ok {
				fmt.Fprintf(&b, "complete -c ward %s -l %s -d %s\n", seen, flag, quoted(word.help))
			} else {
				fmt.Fprintf(&b, "complete -c ward %s -f -a %s -d %s\n", seen, word.name, quoted(word.help))
			}
		}
		if c.keys {
			fmt.Fprintf(&b, "complete -c ward %s -f -a '(ward ls 2>/dev/null </dev/null)'\n", seen)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
