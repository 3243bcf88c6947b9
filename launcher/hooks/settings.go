package hooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tailscale/hujson"

	"ward/guard"
)

// Path is the agent's settings file for all projects of a user.
func Path(agent guard.Agent, home string) string {
	switch agent {
	case guard.Claude:
		if dir := os.Getenv("CLAUDE_CONFIG_DIR"); filepath.IsAbs(dir) {
			return filepath.Join(dir, "settings.json")
		}
		return filepath.Join(home, ".claude", "settings.json")
	case guard.Codex:
		if dir := os.Getenv("CODEX_HOME"); filepath.IsAbs(dir) {
			return filepath.Join(dir, "hooks.json")
		}
		return filepath.Join(home, ".codex", "hooks.json")
	case guard.GeminiCLI:
		return filepath.Join(home, ".gemini", "settings.json")
	}
	return filepath.Join(home, ".cursor", "hooks.json")
}

// Add puts ward's hooks into a settings file, and takes out those of an older ward: adding twice is adding once. All else
// stays as it is written, comments too. An empty text is an empty file.
func Add(agent guard.Agent, text []byte, self string) ([]byte, error) {
	return add(agent, text, command(agent, self))
}

func add(agent guard.Agent, text []byte, line string) ([]byte, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}\n")
	}
	tree, root, err := parse(text)
	if err != nil {
		return nil, err
	}
	if same(agent, root, line) {
		return text, nil
	}
	if err := remove(&tree, agent); err != nil {
		return nil, err
	}
	root, err = standard(tree)
	if err != nil {
		return nil, err
	}
	var ops []op
	if agent == guard.Cursor && root["version"] == nil { // without it Cursor rejects the file
		ops = append(ops, op{"add", "/version", 1})
	}
	lists, err := listsOf(root)
	if err != nil {
		return nil, err
	}
	if root["hooks"] == nil {
		ops = append(ops, op{"add", "/hooks", map[string]any{}})
	}
	for _, e := range events(agent) {
		if lists[e.name] == nil {
			ops = append(ops, op{"add", "/hooks/" + e.name, []any{}})
		}
		ops = append(ops, op{"add", "/hooks/" + e.name + "/-", entry(agent, e, line)})
	}
	if err := patch(&tree, ops); err != nil {
		return nil, err
	}
	return pretty(text, tree), nil
}

// Remove takes ward's hooks out, and what of the lists around them is empty then.
func Remove(agent guard.Agent, text []byte) ([]byte, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return text, nil
	}
	tree, _, err := parse(text)
	if err != nil {
		return nil, err
	}
	before := tree.Pack()
	if err := remove(&tree, agent); err != nil {
		return nil, err
	}
	if bytes.Equal(before, tree.Pack()) {
		return text, nil
	}
	return pretty(text, tree), nil
}

// op is an operation of RFC 6902.
type op struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

func patch(tree *hujson.Value, ops []op) error {
	if len(ops) == 0 {
		return nil
	}
	text, err := json.Marshal(ops)
	if err != nil {
		return err
	}
	return tree.Patch(text)
}

// pretty lays a file out by its own indent, if all of it was laid out so before. One that has comments, or another layout,
// stays as it is, and what was added stands on one line: hujson's layout would put commas at the ends of lists, which not
// every agent reads.
func pretty(before []byte, tree hujson.Value) []byte {
	if laid, ok := laidOut(before, indent(before)); !ok || !bytes.Equal(laid, bytes.TrimSpace(before)) {
		return tree.Pack()
	}
	laid, ok := laidOut(tree.Pack(), indent(before))
	if !ok {
		return tree.Pack()
	}
	return append(laid, '\n')
}

// laidOut says no where the text has comments.
func laidOut(text []byte, indent string) ([]byte, bool) {
	var b bytes.Buffer
	err := json.Indent(&b, text, "", indent)
	return bytes.TrimSpace(b.Bytes()), err == nil
}

// indent is what a file's first line inside is indented by.
func indent(text []byte) string {
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	if n := len(rest) - len(bytes.TrimLeft(rest, " \t")); n > 0 {
		return string(rest[:n])
	}
	return "  "
}

var errShape = errors.New("its hooks are not an object of lists")

func parse(text []byte) (hujson.Value, map[string]any, error) {
	tree, err := hujson.Parse(text)
	if err != nil {
		return tree, nil, errors.New("is not JSON: " + strings.TrimPrefix(err.Error(), "hujson: "))
	}
	root, err := standard(tree)
	return tree, root, err
}

// standard decodes a tree.
func standard(tree hujson.Value) (map[string]any, error) {
	plain := tree.Clone()
	plain.Standardize()
	var root map[string]any
	if err := json.Unmarshal(plain.Pack(), &root); err != nil || root == nil {
		return nil, errors.New("is not a JSON object")
	}
	return root, nil
}

// listsOf are the hooks of a file by event.
func listsOf(root map[string]any) (map[string][]any, error) {
	if root["hooks"] == nil {
		return nil, nil
	}
	all, ok := root["hooks"].(map[string]any)
	if !ok {
		return nil, errShape
	}
	lists := map[string][]any{}
	for name, value := range all {
		list, ok := value.([]any)
		if !ok && strings.HasPrefix(strings.ToLower(name), "p") { // others may have settings beside the events
			return nil, errShape
		}
		if ok {
			lists[name] = list
		}
	}
	return lists, nil
}

// ours says whether an element is ward's alone.
func ours(agent guard.Agent, element any) bool {
	m, ok := element.(map[string]any)
	if !ok {
		return false
	}
	if inner, ok := m["hooks"].([]any); ok {
		return len(inner) == 1 && ours(agent, inner[0])
	}
	line, _ := m["command"].(string)
	_, flags, found := strings.Cut(line, mark+string(agent))
	return found && (flags == "" || flags[0] == ' ')
}

// same says whether every hook is there already, and calls this ward.
func same(agent guard.Agent, root map[string]any, line string) bool {
	lists, err := listsOf(root)
	if err != nil {
		return false
	}
	for _, e := range events(agent) {
		want, _ := json.Marshal(entry(agent, e, line))
		n := 0
		for _, element := range lists[e.name] {
			got, _ := json.Marshal(element)
			if ours(agent, element) {
				n++
				if !bytes.Equal(got, want) {
					return false
				}
			}
		}
		if n != 1 {
			return false
		}
	}
	return true
}

func remove(tree *hujson.Value, agent guard.Agent) error {
	root, err := standard(*tree)
	if err != nil {
		return err
	}
	lists, err := listsOf(root)
	if err != nil {
		return err
	}
	var ops []op
	left := 0
	if all, ok := root["hooks"].(map[string]any); ok {
		left = len(all)
	}
	for name, list := range lists {
		n := 0
		for i := len(list) - 1; i >= 0; i-- { // from behind, so that the places before stay what they are
			if ours(agent, list[i]) {
				ops = append(ops, op{Op: "remove", Path: fmt.Sprintf("/hooks/%s/%d", pointer(name), i)})
				n++
			}
		}
		if n > 0 && n == len(list) {
			ops = append(ops, op{Op: "remove", Path: "/hooks/" + pointer(name)})
			left--
		}
	}
	if len(ops) > 0 && left == 0 {
		ops = append(ops, op{Op: "remove", Path: "/hooks"})
	}
	return patch(tree, ops)
}

// pointer escapes a name as RFC 6901 wants it.
func pointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
