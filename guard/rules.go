package guard

import (
	"bytes"
	"strings"
)

// API is the shape of a request to a model.
type API uint8

const (
	Any       API = iota // no conversation: every string and every key of the text is masked
	Messages             // Anthropic's /v1/messages
	Responses            // OpenAI's /v1/responses
	Chat                 // OpenAI's /v1/chat/completions, and what others offer in its shape
	Gemini               // Google's …:generateContent and :streamGenerateContent
)

// want is what happens to a string.
type want uint8

const (
	leave want = iota
	note       // read it, to know what the object around it is
	masks      // mask it
	watch      // look for the stars of a mask: the model wrote it
)

// spot is where a string stands, as far as the rules tell places apart.
type spot struct {
	members map[string]*spot // "[]" for the elements of an array
	wants   want
	deep    bool   // the same for all that is inside
	kind    string // only in an object of this type; "" is any
}

// rules of an API: places, and what is wanted there. A signed or encoded field has no rule, and so passes as it is:
// thinking, signature, encrypted_content, data of images, identifiers. A trailing "…" means all that is inside.
func (a API) rules() (masked, watched []string) {
	switch a {
	case Any:
		return []string{"…"}, nil
	case Messages:
		masked = append(masked, "messages[].content", "messages[].content[].content")
		// A result holds what a turn may hold, but for results.
		for _, block := range [...]string{"messages[].content[].", "messages[].content[].content[]."} {
			masked = append(masked, block+"text", block+"title", block+"context",
				block+"source.data=text", block+"source.content", block+"source.content[].text", // documents given as text
				block+"content[].text") // what a search found
		}
		return masked, []string{"messages[].content[].input…"}
	case Responses:
		return []string{
			"input", "input[].content", "input[].content[].text",
			"input[].output", "input[].output[].text", "input[].output[].stdout", "input[].output[].stderr",
		}, []string{"input[].arguments", "input[].input", "input[].action…"}
	case Chat:
		return []string{"messages[].content", "messages[].content[].text"}, []string{
			"messages[].tool_calls[].function.arguments", "messages[].tool_calls[].custom.input", "messages[].function_call.arguments",
		}
	}
	// Google takes the names of its fields in both spellings, and Code Assist wraps the request in another one.
	for _, before := range [...]string{"contents[].parts[].", "request.contents[].parts[]."} {
		masked = append(masked, before+"text", before+"functionResponse.response…", before+"function_response.response…")
		watched = append(watched, before+"functionCall.args…", before+"function_call.args…")
	}
	return masked, watched
}

// places makes a tree of the rules.
func (a API) places() *spot {
	root := &spot{}
	masked, watched := a.rules()
	for _, path := range masked {
		root.add(path, masks)
	}
	for _, path := range watched {
		root.add(path, watch)
	}
	return root
}

func (p *spot) add(path string, wants want) {
	path, deep := strings.CutSuffix(path, "…")
	path, kind, _ := strings.Cut(path, "=")
	for _, name := range strings.FieldsFunc(strings.ReplaceAll(path, "[]", ".[]"), func(r rune) bool { return r == '.' }) {
		next := p.members[name]
		if next == nil {
			next = &spot{}
			if p.members == nil {
				p.members = map[string]*spot{}
			}
			p.members[name] = next
		}
		p = next
	}
	p.wants, p.deep, p.kind = wants, deep, kind
}

// member is the place of an object's or array's member.
func (p *spot) member(name string) *spot {
	switch {
	case p == nil || p.deep:
		return p
	default:
		return p.members[name]
	}
}

// modelWrote says whether an object is the model's own, by its role or its type: its words go back as they came. Where
// neither was said before the text itself comes, as in what some of the providers' own libraries write, the text is masked.
func (l *level) modelWrote() bool {
	switch l.role {
	case "assistant", "model":
		return true
	}
	switch l.kind {
	case "thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text", "output_text", "refusal":
		return true
	}
	return false
}

// encodedFile says whether a text begins as one of those files that may stand where a document can be given as text: PNG,
// JPEG, GIF, WebP and PDF, in base64.
func encodedFile(text []byte) bool {
	for _, beginning := range [...]string{"iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "JVBERi0"} {
		if bytes.HasPrefix(text, []byte(beginning)) {
			return true
		}
	}
	return false
}
