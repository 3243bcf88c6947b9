package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// hide gives what a masked text should be: each «…» of it stands for the value, and {…} for its mask.
func starred(text, value string) (before, after string) {
	before = strings.NewReplacer("«»", value, "‹›", value).Replace(text)
	return before, strings.NewReplacer("«»", value, "‹›", strings.Repeat("*", len(value))).Replace(text)
}

// Of each kind of request only what the model did not write is masked (‹›); all else (here with the same value in it,
// «») passes byte for byte.
func TestBodyRequests(t *testing.T) {
	value := random(newRand(5), base62, 40)
	for name, c := range map[string]struct {
		api  API
		text string
		runs int
	}{
		"anthropic user turn":            {Messages, `{"model":"m","system":"«»","messages":[{"role":"user","content":"say ‹›"}]}`, 0},
		"anthropic blocks":               {Messages, `{"messages":[{"role":"user","content":[{"type":"text","text":"‹›"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"«»"}}]}]}`, 0},
		"anthropic tool result":          {Messages, `{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"«»","content":"a ‹› b"},{"tool_use_id":"x","type":"tool_result","content":[{"type":"text","text":"‹›"},{"type":"image","source":{"type":"base64","data":"«»"}}]}]}]}`, 0},
		"anthropic document":             {Messages, `{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","data":"‹›"}},{"type":"document","source":{"type":"base64","data":"«»"}}]}]}`, 0},
		"anthropic document, type last":  {Messages, `{"messages":[{"role":"user","content":[{"source":{"data":"‹›","media_type":"text/plain","type":"text"},"type":"document"},{"source":{"data":"iVBORw0KGgo«»","type":"base64"}},{"source":{"data":"JVBERi0«»","type":"base64"}},{"source":{"data":"/9j/«»"}}]}]}`, 0},
		"anthropic documents in results": {Messages, `{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"document","title":"‹›","source":{"type":"text","data":"‹›"}},{"type":"document","source":{"type":"base64","data":"«»"}},{"type":"search_result","source":"«»","content":[{"type":"text","text":"‹›"}]}]},{"type":"document","context":"‹›","source":{"type":"content","content":[{"type":"text","text":"‹›"},{"type":"image","source":{"type":"base64","data":"«»"}}]}},{"type":"document","source":{"type":"content","content":"‹›"}}]}]}`, 0},
		"anthropic, role last":           {Messages, `{"messages":[{"content":[{"text":"‹›","type":"text"},{"signature":"«»","thinking":"«»","type":"thinking"}],"role":"assistant"}]}`, 0},
		"chat, other tools":              {Chat, `{"messages":[{"role":"assistant","tool_calls":[{"type":"custom","custom":{"input":"A=********"}}],"function_call":{"arguments":"A=********"}}]}`, 2},
		"anthropic signed": {Messages, `{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"«»","signature":"«»"},{"type":"redacted_thinking","data":"«»"},
			{"type":"text","text":"«»"},{"type":"web_search_tool_result","content":[{"type":"web_search_result","encrypted_content":"«»"}]}]}]}`, 0},
		"anthropic input with a mask": {Messages, `{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"i","name":"Write","input":{"content":"TOKEN=************"}},{"type":"tool_use","input":{"a":"/*********** x"}}]}]}`, 1},
		"chat":                        {Chat, `{"messages":[{"role":"tool","tool_call_id":"«»","content":"‹›"},{"role":"user","content":[{"type":"text","text":"‹›"},{"type":"image_url","image_url":{"url":"data:image/png;base64,«»"}}]},{"role":"assistant","content":"«»","tool_calls":[{"id":"«»","function":{"name":"f","arguments":"{\"a\":\"ghp_********\"}"}}]}]}`, 1},
		"responses":                   {Responses, `{"instructions":"«»","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"‹›"},{"type":"input_image","image_url":"«»"}]},{"type":"reasoning","encrypted_content":"«»","summary":[{"type":"summary_text","text":"«»"}],"content":[{"type":"reasoning_text","text":"«»"}]},{"type":"function_call_output","call_id":"«»","output":"‹›"},{"type":"custom_tool_call_output","output":[{"type":"input_text","text":"‹›"}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"«»"}]},{"type":"function_call","arguments":"x: ********"}]}`, 1},
		"responses, one text":         {Responses, `{"input":"‹›","previous_response_id":"«»"}`, 0},
		"gemini":                      {Gemini, `{"systemInstruction":{"parts":[{"text":"«»"}]},"contents":[{"role":"user","parts":[{"text":"‹›"},{"inlineData":{"mimeType":"image/png","data":"«»"}}]},{"role":"model","parts":[{"text":"«»","thoughtSignature":"«»"},{"functionCall":{"name":"f","args":{"a":["x=********"]}}}]},{"role":"user","parts":[{"functionResponse":{"id":"«»","name":"f","response":{"output":"‹›","deep":[{"‹›":["‹›"]}]}}}]}]}`, 1},
		"gemini, wrapped":             {Gemini, `{"project":"«»","request":{"contents":[{"role":"user","parts":[{"function_response":{"response":{"output":"‹›"}}}]}]}}`, 0},
		"any":                         {Any, `[{"‹›":"‹›"},"‹›",1,null]`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in, want := starred(c.text, value)
			b := NewBody(guardOf(t, Options{}, value), c.api)
			got, err := io.ReadAll(b.Reader(iotest.OneByteReader(strings.NewReader(in))))
			if err != nil || string(got) != want {
				t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
			}
			if b.MaskRuns() != c.runs {
				t.Errorf("%d inputs with a mask, want %d", b.MaskRuns(), c.runs)
			}
		})
	}
}

// A value is known whatever escapes it is written with, and the mask leaves them valid and as long.
func TestBodyEscapes(t *testing.T) {
	value := random(newRand(6), base62, 30) + "/" + random(newRand(7), base62, 10)
	unicode := ""
	for _, c := range value {
		unicode += fmt.Sprintf(`\u%04X`, c)
	}
	for _, c := range []struct{ in, want string }{
		{`"a\n` + strings.ReplaceAll(value, "/", `\/`) + `\t"`, `"a\n` + strings.Repeat("*", 42) + `\t"`},
		{`"\ud83d\ude00` + unicode + `"`, `"\ud83d\ude00` + strings.Repeat(`\u002a`, 41) + `"`},
		{`"é\u001b[1m` + value + `\u001b[0m\ud800"`, `"é\u001b[1m` + strings.Repeat("*", 41) + `\u001b[0m\ud800"`},
		{`["open \u001b]0;` + value[:20] + `","` + value + `"]`, `["open \u001b]0;` + strings.Repeat("*", 20) + `","` + strings.Repeat("*", 41) + `"]`},
		{`["open \u001b[","` + value + `"]`, `["open \u001b[","` + strings.Repeat("*", 41) + `"]`},
		{`"` + strings.Repeat("x ", 40_000) + value + `"`, `"` + strings.Repeat("x ", 40_000) + strings.Repeat("*", 41) + `"`},
	} {
		got, err := MaskJSON(guardOf(t, Options{}, value), []byte(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("%v\nof   %.200q\ngot  %.200q\nwant %.200q", err, c.in, got, c.want)
		}
	}
}

// What stands between the characters of a value is masked as characters: half of one would make the text no UTF-8, which
// some take for no JSON.
func TestBodyLetters(t *testing.T) {
	value := random(newRand(6), base62, 30)
	for _, c := range []struct{ between, want string }{
		{"\u00b5", "\u00b7"}, {"\u00e4", "\u00b7"}, {"\uff21", "\uff0a"}, {"\u4f0a", "\uff0a"}, {"\U0001d400", "*\u2060"}, {"\u2192", "\u2192"}, {`\uff21`, `\u002a`}, {`\u00b5`, `\u002a`},
	} {
		got, err := MaskJSON(guardOf(t, Options{}, value), []byte(`"`+value[:15]+c.between+value[15:]+`"`))
		if want := `"` + strings.Repeat("*", 15) + c.want + strings.Repeat("*", 15) + `"`; err != nil || string(got) != want {
			t.Errorf("%q: %v\ngot  %q\nwant %q", c.between, err, got, want)
		}
	}
}

func TestBodyRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "{", "[1,]", `{"a":1,}`, `{"a" 1}`, "01", "1.", "-", "1e", "+1", "tru", "nul1", `"\x"`, `"\u12g4"`, "\"\n\"", "1 2", "]", `{1:2}`, "[}", "'a'",
		strings.Repeat("[", maxNesting+1) + strings.Repeat("]", maxNesting+1),
	} {
		if got, err := MaskJSON(guardOf(t, Options{}, fuzzValue), []byte(text)); !errors.Is(err, ErrJSON) {
			t.Errorf("%.20q: %q, %v, want an error of JSON", text, got, err)
		}
		if _, err := io.ReadAll(NewBody(guardOf(t, Options{}, fuzzValue), Any).Reader(strings.NewReader(text))); !errors.Is(err, ErrJSON) {
			t.Errorf("%.20q read: %v, want an error of JSON", text, err)
		}
	}
}

// sameBut reports whether two decoded texts are the same but for characters that are stars in the second.
func sameBut(a, b any) bool {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		x, y := []rune(a), []rune(b)
		for i := range x {
			if len(x) != len(y) || x[i] != y[i] && y[i] != fillByte {
				return false
			}
		}
		return ok && len(x) == len(y)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameBut(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if _, there := b[k]; there && !sameBut(a[k], b[k]) {
				return false // a key that is not there was masked itself
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// What encoding/json takes for JSON is taken, and nothing else; it stays JSON of the same length that says the same but
// for the value, which is in no string of it; and where it was cut does not matter.
func FuzzBody(f *testing.F) {
	for i, seed := range []string{
		`{"a":[1,-2.5e+3,true,null,"VALUE"],"VALUE":{"type":"text"}}`, `"\u0041VALUE\/\"\\"`, ` [ ] `, `{"messages":[{"role":"user","content":"VALUE"}]}`, `"\ud800VALUE`, "[0,0.1,1E5]", `{"a":{}}`,
	} {
		f.Add([]byte(seed), uint8(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, api uint8, seed uint64) {
		text = bytes.ReplaceAll(text[:min(len(text), 4096)], []byte("VALUE"), []byte(fuzzValue))
		if bytes.Count(text, []byte("[")) > maxNesting || bytes.Count(text, []byte("{")) > maxNesting || bytes.Contains(text, []byte("**")) {
			return
		}
		kind := API(api % 5)
		b := NewBody(guardOf(t, Options{}, fuzzValue), kind)
		whole, err := b.Process(text)
		if err == nil {
			err = b.Close()
		}
		if (err == nil) != json.Valid(text) {
			t.Fatalf("%q: %v, but encoding/json says %v", text, err, json.Valid(text))
		}
		if err != nil {
			return
		}
		if len(whole) != len(text) || !json.Valid(whole) || utf8.Valid(whole) != utf8.Valid(text) {
			t.Fatalf("%q became %q", text, whole)
		}
		var before, after any
		if json.Unmarshal(text, &before) != nil || json.Unmarshal(whole, &after) != nil || !sameBut(before, after) {
			t.Fatalf("%q says something else than %q", whole, text)
		}
		if kind == Any && bytes.Contains(whole, []byte(fuzzValue)) {
			t.Fatalf("%q still holds the value", whole)
		}
		parts, r := []byte{}, newRand(seed)
		b = NewBody(guardOf(t, Options{}, fuzzValue), kind)
		for rest := text; len(rest) > 0; {
			n := 1 + r.IntN(len(rest))
			out, err := b.Process(rest[:n])
			if err != nil {
				t.Fatal(err)
			}
			parts, rest = append(parts, out...), rest[n:]
		}
		if err := b.Close(); err != nil || !bytes.Equal(parts, whole) {
			t.Fatalf("in parts %q\nat once  %q", parts, whole)
		}
	})
}
