package profiles

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// data.go says in Go what the JSON files say, so that a launch need not parse them: with -update it is written again.
func TestDataIsWhatTheFilesSay(t *testing.T) {
	files, err := filepath.Glob("builtin/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var out, names, cases, commands bytes.Buffer
	fmt.Fprint(&out, "// Code generated from builtin/*.json and credentials.json by go test ./profiles -run Data -update. DO NOT EDIT.\n\npackage profiles\n\nimport (\n\"path/filepath\"\n\n\"ward/secrets\"\n)\n")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(name, src)
		if err != nil {
			t.Fatal(err)
		}
		p.Sources = []Source{{Name: name, SHA256: sha256.Sum256(src)}}
		fmt.Fprintf(&names, "%q,", name)
		for _, c := range p.Commands {
			fmt.Fprintf(&commands, "case %q: return %q\n", c, name)
		}
		fmt.Fprintf(&cases, "case %q: return %sProfile()\n", name, name)
		fmt.Fprintf(&out, "\nfunc %sProfile() *Profile {\nreturn &%s\n}\n", name, goSource(reflect.ValueOf(*p)))
		if got := builtin(name); !*update && !reflect.DeepEqual(got, p) {
			t.Errorf("data.go has another %s than %s", name, file)
		}
	}
	fmt.Fprintf(&out, "\n// Builtins names the built-in profiles.\nfunc Builtins() []string { return []string{%s} }\n", names.String())
	fmt.Fprintf(&out, "\n// builtin gives a built-in as it stands, parents not looked up; nil if there is none of that name.\nfunc builtin(name string) *Profile {\nswitch name {\n%s}\nreturn nil\n}\n", cases.String())
	fmt.Fprintf(&out, "\n// Select names the built-in profile for a command by its base name: the one that lists it, or \"default\".\n"+
		"func Select(command string) string {\nswitch filepath.Base(command) {\n%s}\nreturn \"default\"\n}\n", commands.String())
	fmt.Fprintf(&out, "\n// Credentials gives the paths that stay masked under every wider grant, with their reasons, as they are in\n"+
		"// credentials.json: some name a system, and all need ExpandPaths.\nfunc Credentials() []PathRule {\nreturn %s\n}\n", goSource(reflect.ValueOf(credentialsOf(t))))
	want, err := format.Source(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("data.go", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("data.go"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("data.go is not what the files say (%v): write it again with -update", err)
	}
}

func credentialsOf(t *testing.T) []PathRule {
	t.Helper()
	src, err := os.ReadFile("credentials.json")
	if err != nil {
		t.Fatal(err)
	}
	d := &decoder{file: "credentials", src: src}
	var rules []PathRule
	if root, ok := d.root(); ok {
		d.object(root, fields{"credentials": paths(&rules, false, checkNoGlob)})
	}
	if err := d.err(); err != nil {
		t.Fatal(err)
	}
	return rules
}

// goSource writes a value as Go, without what is zero; a rule stands on one line.
func goSource(v reflect.Value) string {
	kind := strings.ReplaceAll(v.Type().String(), "profiles.", "")
	var parts []string
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				parts = append(parts, v.Type().Field(i).Name+": "+goSource(f))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			parts = append(parts, "\n"+strings.TrimPrefix(goSource(v.Index(i)), kind[2:]))
		}
		if len(parts) > 0 {
			parts = append(parts, "\n")
		}
	case reflect.Array:
		return fmt.Sprintf("%#v", v.Interface())
	case reflect.Map:
		for _, k := range v.MapKeys() {
			parts = append(parts, "\n"+goSource(k)+": "+goSource(v.MapIndex(k)))
		}
		slices.Sort(parts)
		parts = append(parts, "\n")
	default:
		return fmt.Sprintf("%#v", v.Interface())
	}
	return kind + "{" + strings.Join(parts, ", ") + "}"
}
