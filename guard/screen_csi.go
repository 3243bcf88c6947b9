package guard

// escape goes on after ESC.
func (s *screen) escape(c byte) {
	p := &s.parser
	if p.state = escape; s.control(c) {
		return
	}
	p.state = ground
	switch c {
	case '[':
		s.beginControl()
	case ']', 'P', 'X', '^', '_':
		p.state, p.have = str, 0
	case 'D':
		s.feed()
	case 'E':
		s.feed()
		s.x = 0
	case 'H':
		s.tabs[s.x] = true
	case 'M':
		if s.y == s.top {
			s.scroll(s.top, s.bottom, -1)
		} else {
			s.move(s.x, s.y-1)
		}
	case 'c':
		s.leave(0, s.rows)
		s.reset()
		s.erase(0, 0, s.cols, s.rows)
	case '7':
		s.save()
	case '8':
		s.restore()
	default:
		if c < 0x30 {
			p.state, p.middle = escapeMid, c
		}
	}
}

// beginControl begins a control sequence.
func (s *screen) beginControl() {
	p := &s.parser
	p.state, p.n, p.marker, p.middle = control, 0, 0, 0
}

// reset is RIS but for the blank screen.
func (s *screen) reset() {
	s.grid = &s.main
	s.first, s.last = 0, s.rows
	s.cursor, s.saved = cursor{}, [2]cursor{}
	s.top, s.bottom = 0, s.rows-1
	s.still, s.insert, s.newline = false, false, false
	s.tabStops()
}

func (s *screen) save() { s.saved[s.shown()] = s.cursor }

func (s *screen) restore() {
	full := s.saved[s.shown()].full
	s.cursor = s.saved[s.shown()]
	s.move(s.x, s.y)
	s.full = full && s.x == s.cols-1
}

// shown is 1 while the alternate screen is shown.
func (s *screen) shown() int {
	if s.grid == &s.alt {
		return 1
	}
	return 0
}

// parameters reads the digits and semicolons of a control sequence, and tells where others begin.
func (s *screen) parameters(text []byte, i int) int {
	p := &s.parser
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case isDigit(c):
			if p.n == 0 {
				p.n, p.params[0] = 1, 0
			}
			if n := &p.params[p.n-1]; *n < maxParam {
				*n = *n*10 + int(c-'0')
			}
		case c == ';' || c == ':':
			if p.n == 0 {
				p.n, p.params[0] = 1, 0
			}
			p.n = min(p.n+1, maxParams)
			p.params[p.n-1] = 0
		default:
			return i
		}
	}
	return i
}

// parameter goes on with a control sequence.
func (s *screen) parameter(c byte) {
	p := &s.parser
	switch {
	case s.control(c):
	case c >= '<' && c <= '?':
		p.marker = c
	case c < 0x40:
		p.middle = c
	default:
		p.state = ground
		s.dispatch(c)
	}
}

// param gives a parameter, or what stands for one that is left out or 0.
func (s *screen) param(i, otherwise int) int {
	if i >= s.parser.n || s.parser.params[i] == 0 {
		return otherwise
	}
	return s.parser.params[i]
}

// dispatch acts on a control sequence.
func (s *screen) dispatch(final byte) {
	p := &s.parser
	switch {
	case p.middle == '!' && final == 'p': // DECSTR
		s.top, s.bottom, s.origin, s.insert, s.still = 0, s.rows-1, false, false, false
		s.sets, s.saved = charsets{}, [2]cursor{}
	case p.middle != 0:
	case (final == 'h' || final == 'l') && (p.marker == 0 || p.marker == '?'):
		for _, mode := range p.params[:p.n] {
			s.mode(p.marker == '?', mode, final == 'h')
		}
	case p.marker == '?' && (final == 'J' || final == 'K'), p.marker == 0:
		if !s.motion(final) {
			s.edit(final)
		}
	}
}

// motion acts on a sequence that moves the cursor, and says whether it was one.
func (s *screen) motion(final byte) bool {
	n := s.param(0, 1)
	switch final {
	case 'A', 'F':
		first := 0
		if s.y >= s.top {
			first = s.top
		}
		s.move(s.x, max(first, s.y-n))
	case 'B', 'e', 'E':
		last := s.rows - 1
		if s.y <= s.bottom {
			last = s.bottom
		}
		s.move(s.x, min(last, s.y+n))
	case 'C', 'a':
		s.move(s.x+n, s.y)
	case 'D':
		s.move(s.x-n, s.y)
	case 'G', '`':
		s.move(n-1, s.y)
	case 'H', 'f':
		s.moveTo(s.param(1, 1)-1, n-1)
	case 'd':
		s.moveTo(s.x, n-1)
	case 'I':
		s.tab(n)
	case 'Z':
		s.tab(-n)
	case 'r':
		if top, bottom := n-1, min(s.param(1, s.rows), s.rows)-1; top < bottom {
			s.top, s.bottom = top, bottom
			s.moveTo(0, 0)
		}
	case 's':
		s.save()
	case 'u':
		s.restore()
	default:
		return false
	}
	if final == 'E' || final == 'F' {
		s.x = 0
	}
	return true
}

// moveTo counts rows from the first that scrolls if the program asked for that.
func (s *screen) moveTo(x, y int) {
	if s.origin {
		y += s.top
	}
	s.move(x, y)
}

// edit acts on a sequence that changes cells.
func (s *screen) edit(final byte) {
	n := s.param(0, 1)
	inside := s.y >= s.top && s.y <= s.bottom
	switch final {
	case 'J':
		switch s.param(0, 0) {
		case 0:
			s.erase(s.x, s.y, s.cols, s.y+1)
			s.erase(0, s.y+1, s.cols, s.rows)
		case 1:
			s.erase(0, 0, s.cols, s.y)
			s.erase(0, s.y, s.x+1, s.y+1)
		case 2:
			s.erase(0, 0, s.cols, s.rows)
		}
	case 'K':
		switch s.param(0, 0) {
		case 0:
			s.erase(s.x, s.y, s.cols, s.y+1)
		case 1:
			s.erase(0, s.y, s.x+1, s.y+1)
		case 2:
			s.erase(0, s.y, s.cols, s.y+1)
		}
	case 'X':
		s.erase(s.x, s.y, s.x+n, s.y+1)
	case '@':
		s.shift(min(s.x+n, s.cols), s.x)
	case 'P':
		s.shift(s.x, min(s.x+n, s.cols))
	case 'L':
		if inside {
			s.scroll(s.y, s.bottom, -n)
		}
	case 'M':
		if inside {
			s.scroll(s.y, s.bottom, n)
		}
	case 'S':
		s.scroll(s.top, s.bottom, n)
	case 'T':
		s.scroll(s.top, s.bottom, -n)
	case 'b':
		s.repeat(n)
	case 'g':
		switch s.param(0, 0) {
		case 0:
			s.tabs[s.x] = false
		case 3:
			clear(s.tabs)
		}
	}
}

// repeat prints the last character again (REP), at most a row of them: programs draw lines with it, and more would cost
// whoever is made to read it too much. Its byte stands for all of them, so that masking it masks them too.
func (s *screen) repeat(n int) {
	code, from := s.parser.lastCode, s.parser.lastFrom
	if code == cellBlank {
		return
	}
	s.line(code, 0, min(n, s.cols), from)
	s.turn++
	s.row(s.y).turn = outOfOrder
}

// mode sets or resets a mode of the terminal, a private one of DEC and xterm or not.
func (s *screen) mode(private bool, mode int, on bool) {
	switch {
	case !private && mode == 4:
		s.insert = on
	case !private && mode == 20:
		s.newline = on
	case !private:
	case mode == 6:
		s.origin = on
		s.moveTo(0, 0)
	case mode == 7:
		s.still = !on
	case mode == 47 || mode == 1047:
		s.alternate(on)
	case mode == 1048 && on:
		s.save()
	case mode == 1048:
		s.restore()
	case mode == 1049 && on:
		s.save()
		s.alternate(true)
	case mode == 1049:
		s.alternate(false)
		s.restore()
	}
}

// alternate shows the alternate screen, blank, or the main one again. The cursor stays where it is.
func (s *screen) alternate(on bool) {
	if on == (s.grid == &s.alt) {
		return
	}
	s.leave(0, s.rows)
	s.turn++
	s.first, s.last = 0, s.rows
	if on {
		s.grid = &s.alt
		s.erase(0, 0, s.cols, s.rows)
	} else {
		s.grid = &s.main
	}
}
