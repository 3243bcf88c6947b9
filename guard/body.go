package guard

import "io"

// Body masks the strings of one JSON text on its way: the body of a request to a model, as its API has it, or any text.
// Strings are looked at as what they mean, whatever escapes they are written with; masks are put where the characters
// stand, so that the text keeps its length and stays valid. Every other byte passes as it came.
//
// What it does not mask: numbers, since a star is none, and what its API's rules leave out.
type Body struct {
	guard  *Guard
	walk   walk
	root   *spot
	wants  want    // of the string being read
	unsure bool    // it is masked, unless it begins as an image or a PDF does in base64
	digits [4]byte // of \u
	out    []byte  // what goes on
	noted  []byte  // of a key, a type or a role; at most maxNoted
	raw    []byte  // of a string that is masked: as it is written
	means  []byte  // and what that means
	widths []uint8 // how many bytes of raw each byte of means takes; 0 goes with the one before
	told   int     // bytes of means that the guard has
	work   []byte  // for the guard
	stars  starRun // of a string that is watched
	runs   int     // strings that held one
	err    error
}

const (
	maxNoted  = 64
	bodyChunk = 16 << 10 // of a string, before the guard gets it
)

// NewBody makes a masker of one text. g may have been used for others before, and is the caller's to wipe; no other
// stream may use it meanwhile.
func NewBody(g *Guard, api API) *Body { return &Body{guard: g, root: api.places()} }

// Process takes the next bytes of the text and gives those that may go on, good until the next call. After an error,
// which wraps ErrJSON if the text is at fault, nothing more comes, and the same error again.
func (b *Body) Process(buf []byte) ([]byte, error) {
	b.out = b.out[:0]
	for i := 0; i < len(buf) && b.err == nil; {
		if s := b.walk.state; s == inString || s == inEscape || s == inHexEscape {
			n, err := b.text(buf[i:])
			b.walk.at += int64(n)
			i += n
			if b.err = err; err == nil && i < len(buf) { // at the closing quote
				b.out = append(b.out, buf[i])
				b.walk.at++
				i++
			}
			continue
		}
		if b.err = b.step(buf[i]); b.err == nil {
			b.out = append(b.out, buf[i])
			b.walk.at++
			i++
		}
	}
	return b.out, b.err
}

// Close says that the text is complete; its error wraps ErrJSON if it is not.
func (b *Body) Close() error {
	if b.err == nil && !b.walk.ends() {
		b.err = b.walk.wrong("text ends too early")
	}
	return b.err
}

// MaskRuns is how many strings that the model wrote, as the input of a tool, hold what looks like a mask. A model that
// was shown stars may write them into a file, in the place of the value.
func (b *Body) MaskRuns() int { return b.runs }

// Reader gives the text of r masked. It ends with an error where the text is no JSON.
func (b *Body) Reader(r io.Reader) io.Reader { return &bodyReader{body: b, from: r} }

type bodyReader struct {
	body  *Body
	from  io.Reader
	buf   []byte
	ready []byte
	err   error
}

func (r *bodyReader) Read(p []byte) (int, error) {
	for len(r.ready) == 0 && r.err == nil {
		if r.buf == nil {
			r.buf = make([]byte, 32<<10)
		}
		n, err := r.from.Read(r.buf)
		var bad error
		r.ready, bad = r.body.Process(r.buf[:n])
		switch {
		case bad != nil:
			r.err = bad
		case err == io.EOF:
			if r.err = r.body.Close(); r.err == nil {
				r.err = io.EOF
			}
		case err != nil:
			r.err = err
		}
	}
	n := copy(p, r.ready)
	if r.ready = r.ready[n:]; len(r.ready) > 0 {
		return n, nil
	}
	return n, r.err
}

// MaskJSON masks every string and key of one JSON text in memory.
func MaskJSON(g *Guard, text []byte) ([]byte, error) {
	b := NewBody(g, Any)
	b.out = make([]byte, 0, len(text))
	masked, err := b.Process(text)
	if err == nil {
		err = b.Close()
	}
	return masked, err
}
