package secrets

import (
	"context"
	"errors"
	"strings"
)

// Bitwarden reads bw://ID[/FIELD] by Bitwarden's own program, `bw get item`. ID
// is an item's id or its whole name, FIELD one of password (which it is if
// there is none), username, notes, uri, totp (the code of the moment), or the
// name of a custom field. Nothing is trimmed.
//
// The vault must be unlocked: bw takes the session's key from BW_SESSION. It is
// never asked to prompt, since it would, for each item anew.
type Bitwarden struct{ *Runner }

// Fetch reads the field.
func (w Bitwarden) Fetch(ctx context.Context, path string) (*Buffer, error) {
	ref, err := ParseRef("bw://" + path)
	if err != nil {
		return nil, err
	}
	id, field, named := strings.Cut(ref.Path, "/")
	if !named {
		field = "password"
	}
	item, err := w.get(ctx, path, "item", id)
	if err != nil {
		return nil, err
	}
	defer item.Destroy()
	if field != "totp" {
		return bwField(path, id, field, item)
	}
	// Its key is in the item, but the code is bw's to work out.
	exact, err := bwField(path, id, "id", item)
	if err != nil {
		return nil, err
	}
	defer exact.Destroy()
	var whole string
	_ = exact.Use(func(text []byte) error { whole = string(text); return nil })
	code, err := w.get(ctx, path, "totp", whole)
	if errors.Is(err, ErrNotFound) {
		return nil, &Error{Name: path, Where: "Bitwarden's item " + id, Err: ErrNotFound, Fix: "the item has no authenticator key"}
	}
	return code, err
}

func (w Bitwarden) get(ctx context.Context, path, object, id string) (*Buffer, error) {
	a, err := w.run(ctx, job{argv: []string{"bw", "--nointeraction", "get", object, "--", id}, most: 4 * MaxValue})
	if err != nil {
		return nil, failed(path, "Bitwarden", "its program bw", "install it (npm install -g @bitwarden/cli) and sign in: bw login", err)
	}
	defer a.said.Destroy()
	if err := a.ended(); err != nil {
		a.value.Destroy()
		return nil, bwError(path, id, a, err)
	}
	return a.value, nil
}

// bwError says what bw 2026.9 said; a text that is not known is its exit status.
func bwError(path, id string, a *answer, ended error) error {
	e := &Error{Name: path, Where: "Bitwarden"}
	const unlock = `export BW_SESSION="$(bw unlock --raw)"`
	switch {
	case a.says("You are not logged in."):
		e.Err, e.Fix = &because{"not signed in", ErrLocked}, "bw login, then "+unlock
	case a.says("Vault is locked.", "Session key is invalid."): // the first for a session of another login too
		e.Err, e.Fix = &because{"the vault is locked, or BW_SESSION is of a session that has ended", ErrLocked}, unlock
	case a.says("More than one result was found."):
		e.Err, e.Fix = errors.New("more than one item matches"), "write the item's id instead: bw list items --search "+pasteable(id)
	case a.says("Not found."):
		e.Err, e.Fix = ErrNotFound, "bw list items --search "+pasteable(id)+" shows what there is; bw sync fetches what is new"
	case a.says("Premium status is required"):
		e.Err, e.Fix = errors.New("codes need a premium account"), "read them with an authenticator"
	default:
		e.Err, e.Fix = &because{"bw gave up: " + ended.Error(), ended}, "see what it says: bw get item "+pasteable(id)+" >/dev/null"
	}
	return e
}

// bwField takes one field out of an item's JSON. bw finds an item by a part of
// its name too: what was not asked for by its id or whole name is refused.
func bwField(path, id, field string, item *Buffer) (value *Buffer, err error) {
	e := &Error{Name: path, Where: "Bitwarden's item " + id}
	err = item.Use(func(data []byte) error {
		if !textAt(data, "id").is(id) && !textAt(data, "name").is(id) {
			e.Where, e.Err = "Bitwarden", ErrNotFound
			e.Fix = "an item whose name holds " + pasteable(id) + " is there; write its whole name, or its id"
			return e
		}
		var raw text
		switch field {
		case "id":
			raw = textAt(data, "id")
		case "password", "username":
			raw = textAt(data, "login", field)
		case "notes":
			raw = textAt(data, "notes")
		case "uri":
			raw = textAt(data, "login", "uris", "0", "uri")
		}
		if raw == nil {
			raw = customField(data, field)
		}
		if raw == nil {
			e.Err, e.Fix = ErrNotFound, "the item has no "+pasteable(field)+"; there are password, username, notes, uri, totp and the fields of its own"
			return e
		}
		if len(raw) > 6*MaxValue { // an escaped byte has six
			e.Err = errors.New("too large")
			return e
		}
		if value, err = raw.decode(); err == nil && value.Len() > 0 {
			return nil
		}
		value.Destroy()
		value = nil
		e.Err, e.Fix = errors.New("the field is empty"), "fill it in, or name another field"
		if err != nil {
			e.Err, e.Fix = err, ""
		}
		return e
	})
	return value, err
}

// customField finds the value of the item's own field of that name, the first
// of several.
func customField(data []byte, name string) (value text) {
	walkText(data, func(path []string, t text) bool {
		if len(path) == 3 && path[0] == "fields" && path[2] == "name" && t.is(name) {
			value = textAt(data, "fields", path[1], "value")
		}
		return value == nil
	})
	return value
}
