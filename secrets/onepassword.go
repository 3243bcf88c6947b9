package secrets

import (
	"context"
	"errors"
	"strings"
)

// OnePassword reads op://VAULT/ITEM[/SECTION]/FIELD by 1Password's own program,
// `op read --no-newline` (op 2.0 and later). Nothing is trimmed. How op proves
// who asks is its own: the desktop app, a session (OP_SESSION_…), a service
// account (OP_SERVICE_ACCOUNT_TOKEN), a Connect server (OP_CONNECT_TOKEN).
type OnePassword struct{ *Runner }

// Fetch reads the field.
func (o OnePassword) Fetch(ctx context.Context, path string) (*Buffer, error) {
	ref, err := ParseRef("op://" + path)
	if err != nil {
		return nil, err
	}
	a, err := o.run(ctx, job{argv: []string{"op", "read", "--no-newline", ref.String()}})
	if err != nil {
		e := failed(path, "1Password", "its program op", "install it (package 1password-cli) and sign in: op signin", err)
		if errors.Is(err, context.DeadlineExceeded) {
			e.Fix = "see whether the 1Password app waits for a fingerprint or a click, or is locked behind another window"
		}
		return nil, e
	}
	defer a.said.Destroy()
	if err := a.ended(); err != nil {
		a.value.Destroy()
		return nil, opError(ref, a, err)
	}
	if a.value.Len() == 0 {
		return nil, &Error{Name: path, Where: "1Password", Err: errors.New("the field is empty"), Fix: "fill it in, or name another field"}
	}
	return a.value, nil
}

// opError says what op said. Texts of op 2.20 to 2.39, as people report them;
// an unknown one is its exit status, and what to run to see it.
func opError(ref Ref, a *answer, ended error) error {
	parts := strings.Split(ref.Path, "/")
	vault, item, field := parts[0], parts[1], parts[len(parts)-1]
	e := &Error{Name: ref.Path, Where: "1Password"}
	set := func(what error, fix string) { e.Err, e.Fix = what, fix }
	locked := func(what string) error { return &because{what, ErrLocked} }
	const signIn = "eval \"$(op signin)\"; without a person OP_SERVICE_ACCOUNT_TOKEN is the way"
	switch {
	case a.says("No accounts configured", "no accounts configured", "no account found"):
		set(locked("op knows no account"), "in the app's settings turn on Developer, Integrate with 1Password CLI; without the app: op account add")
	case a.says("session expired"):
		set(locked("the session has expired"), signIn)
	case a.says("not currently signed in", "is not signed in", "could not find session token"):
		set(locked("not signed in"), signIn)
	case a.says("authorization prompt dismissed", "authorization was denied"):
		set(locked("the request was dismissed"), "run it again and approve it in the 1Password app")
	case a.says("authorization timeout", "authorization timed out"):
		set(locked("nobody approved the request in time"), "run it again and approve it in the 1Password app; where there is no fingerprint reader, by the account's password")
	case a.says("connecting to desktop app", "cannot setup session", "Touch ID", "could not unlock"):
		set(locked("the 1Password app does not answer, or could not be unlocked"), "start the app, unlock it, and see that Developer, Integrate with 1Password CLI is on")
	case a.says("DecodeSACredentials", "invalid bearer token", "(401)"):
		set(locked("the service account's token is not valid"), "give OP_SERVICE_ACCOUNT_TOKEN as it was shown when the account was made, or unset it to sign in yourself")
	case a.says("isn't a vault in this account"):
		set(ErrNotFound, "this account has no vault "+pasteable(vault)+"; op vault list shows those it has (a service account sees only its own)")
	case a.says("More than one item matches"):
		set(errors.New("more than one item has that name"), "write the item's ID instead: op item list --vault "+pasteable(vault))
	case a.says("isn't an item"):
		e.Where = "1Password's vault " + vault
		set(ErrNotFound, "op item list --vault "+pasteable(vault)+" shows what is there; archived items are not found")
	case a.says("does not have a field", "does not have a section"):
		e.Where = "1Password's item " + vault + "/" + item
		set(ErrNotFound, "the item has no field "+pasteable(field)+" there; op item get "+pasteable(item)+" --vault "+pasteable(vault)+" shows its sections and fields")
	case a.says("(403)", "(101)", "You do not have permission"):
		set(errors.New("this account may not read it"), "ask for access to the vault "+pasteable(vault)+", or sign in to another account")
	case a.says("(429)", "Too Many Requests"):
		set(errors.New("too many requests"), "wait; a service account has a limit by the hour and by the day")
	case a.says("dial tcp", "no such host", "network is unreachable", "context deadline exceeded", "i/o timeout"):
		set(errors.New("its server cannot be reached"), "see whether the network is up")
	case a.says("invalid secret reference", "invalid character in secret reference"):
		set(errors.New("op does not take such a reference"), "copy it from the app (Copy Secret Reference), or use IDs where names have other characters")
	default:
		set(&because{"op gave up: " + ended.Error(), ended}, "see what it says: op read "+pasteable(ref.String())+" >/dev/null")
	}
	return e
}

// because is a text that an error stands behind.
type because struct {
	text  string
	cause error
}

func (b *because) Error() string { return b.text }
func (b *because) Unwrap() error { return b.cause }
