package vics

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"vigil/node/interop/row"
)

// lexer pulls JSON values from a stream without ever holding one that is not wanted: encoding/json would buffer a
// whole inlined picture before it could be thrown away.
type lexer struct {
	r      *bufio.Reader
	line   uint64
	spent  int // bytes of the current record
	buffer []byte
}

func newLexer(r io.Reader) *lexer {
	l := &lexer{r: bufio.NewReaderSize(r, 256<<10), line: 1}
	if b, _ := l.r.Peek(3); len(b) == 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf {
		_, _ = l.r.Discard(3)
	}
	return l
}

func (l *lexer) fail(err error) error {
	if errors.Is(err, io.EOF) {
		err = row.ErrTruncated
	}
	return fmt.Errorf("line %d: %w", l.line, err)
}

func (l *lexer) syntax(what string) error {
	return fmt.Errorf("line %d: %w: %s", l.line, row.ErrSyntax, what)
}

// beginRecord starts the count that bounds one record.
func (l *lexer) beginRecord() { l.spent = 0 }

func (l *lexer) next() (byte, error) {
	c, err := l.r.ReadByte()
	if err != nil {
		return 0, l.fail(err)
	}
	if c == '\n' {
		l.line++
	}
	if l.spent++; l.spent > row.MaxRecordBytes {
		return 0, l.recordTooLarge()
	}
	return c, nil
}

// peek returns the first byte of the next token without taking it.
func (l *lexer) peek() (byte, error) {
	for {
		c, err := l.next()
		if err != nil {
			return 0, err
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		l.spent--
		return c, l.r.UnreadByte()
	}
}

// take consumes the next token, which must be the byte c.
func (l *lexer) take(c byte) error {
	got, err := l.peek()
	if err != nil {
		return err
	}
	if got != c {
		return l.syntax(fmt.Sprintf("%q expected", c))
	}
	_, err = l.next()
	return err
}

// more steps through a list that ends with end: after its opening byte, and after each member. It takes the comma
// between members and the end itself.
func (l *lexer) more(first *bool, end byte) (bool, error) {
	c, err := l.peek()
	if err != nil {
		return false, err
	}
	if c == end {
		return false, l.take(end)
	}
	if !*first {
		if err := l.take(','); err != nil {
			return false, err
		}
	}
	*first = false
	return true, nil
}

// key takes an object member's name and the colon. A name over the bound is refused.
func (l *lexer) key() (string, error) {
	if c, err := l.peek(); err != nil || c != '"' {
		if err == nil {
			err = l.syntax("a name expected")
		}
		return "", err
	}
	s, ok, err := l.text()
	if err != nil {
		return "", err
	}
	if !ok {
		return "", l.syntax("name over the bound")
	}
	return s, l.take(':')
}

// text takes a string and returns it, or false where it is over row.MaxTextBytes (it is consumed all the same).
func (l *lexer) text() (string, bool, error) {
	if err := l.take('"'); err != nil {
		return "", false, err
	}
	l.buffer = l.buffer[:0]
	for {
		if err := l.plain(); err != nil {
			return "", false, err
		}
		c, err := l.next()
		if err != nil {
			return "", false, err
		}
		switch {
		case c == '"':
			s := string(l.buffer)
			return s, len(s) <= row.MaxTextBytes && utf8.ValidString(s), nil
		case c == '\\':
			if err := l.escape(); err != nil {
				return "", false, err
			}
		case c < ' ':
			return "", false, l.syntax("control character in a string")
		default:
			l.keep(c)
		}
	}
}

// plain takes the ordinary characters that are already in memory, in one step: most of a file is in long strings.
func (l *lexer) plain() error {
	b, _ := l.r.Peek(l.r.Buffered())
	n := 0
	for n < len(b) && b[n] != '"' && b[n] != '\\' && b[n] >= ' ' {
		n++
	}
	if room := row.MaxTextBytes + 1 - len(l.buffer); room > 0 {
		l.buffer = append(l.buffer, b[:min(n, room)]...)
	}
	if l.spent += n; l.spent > row.MaxRecordBytes {
		return l.recordTooLarge()
	}
	_, err := l.r.Discard(n)
	return err
}

func (l *lexer) recordTooLarge() error {
	return fmt.Errorf("line %d: one record %w of %d bytes", l.line, row.ErrTooLarge, row.MaxRecordBytes)
}

// keep appends to the buffer until it is just over the bound, which is how text knows.
func (l *lexer) keep(c byte) {
	if len(l.buffer) <= row.MaxTextBytes {
		l.buffer = append(l.buffer, c)
	}
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (l *lexer) escape() error {
	c, err := l.next()
	if err != nil {
		return err
	}
	if plain, ok := escapes[c]; ok {
		l.keep(plain)
		return nil
	}
	if c != 'u' {
		return l.syntax("unknown escape in a string")
	}
	r, err := l.hex4()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		r = l.lowSurrogate(r)
	}
	for _, b := range utf8.AppendRune(nil, r) {
		l.keep(b)
	}
	return nil
}

// lowSurrogate completes a pair; a lone half becomes the replacement character, as encoding/json has it.
func (l *lexer) lowSurrogate(high rune) rune {
	b, err := l.r.Peek(6)
	if err != nil || b[0] != '\\' || b[1] != 'u' {
		return utf8.RuneError
	}
	low, err := strconv.ParseUint(string(b[2:]), 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	r := utf16.DecodeRune(high, rune(low))
	if r != utf8.RuneError {
		_, _ = l.r.Discard(6)
		l.spent += 6
	}
	return r
}

func (l *lexer) hex4() (rune, error) {
	var digits [4]byte
	for i := range digits {
		c, err := l.next()
		if err != nil {
			return 0, err
		}
		digits[i] = c
	}
	n, err := strconv.ParseUint(string(digits[:]), 16, 16)
	if err != nil {
		return 0, l.syntax("bad \\u escape")
	}
	return rune(n), nil
}

// literal takes a number, true, false or null and returns its text.
func (l *lexer) literal() (string, error) {
	if _, err := l.peek(); err != nil {
		return "", err
	}
	l.buffer = l.buffer[:0]
	for {
		b, err := l.r.Peek(1)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", l.fail(err)
		}
		if err != nil || !inLiteral(b[0]) || len(l.buffer) > 64 {
			break
		}
		l.buffer = append(l.buffer, b[0])
		_, _ = l.r.Discard(1)
		l.spent++
	}
	s := string(l.buffer)
	if s == "true" || s == "false" || s == "null" {
		return s, nil
	}
	if !isNumber(s) {
		return "", l.syntax("a value expected")
	}
	return s, nil
}

func inLiteral(c byte) bool {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E'
}

// isNumber follows the grammar of RFC 8259 §6.
func isNumber(s string) bool {
	digits := func() (n int) {
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n
	}
	if len(s) > 0 && s[0] == '-' {
		s = s[1:]
	}
	zero := len(s) > 0 && s[0] == '0'
	if n := digits(); n == 0 || (zero && n > 1) {
		return false
	}
	if len(s) > 0 && s[0] == '.' {
		if s = s[1:]; digits() == 0 {
			return false
		}
	}
	if len(s) > 0 && (s[0] == 'e' || s[0] == 'E') {
		if s = s[1:]; len(s) > 0 && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if digits() == 0 {
			return false
		}
	}
	return s == ""
}

// skip takes and forgets one value of any kind, at most depth levels deep.
func (l *lexer) skip(depth int) error {
	c, err := l.peek()
	if err != nil {
		return err
	}
	if depth == 0 {
		return fmt.Errorf("line %d: nesting %w of %d", l.line, row.ErrTooLarge, row.MaxDepth)
	}
	switch c {
	case '"':
		_, _, err = l.text()
	case '{':
		err = l.object(func(string) error { return l.skip(depth - 1) })
	case '[':
		err = l.array(func() error { return l.skip(depth - 1) })
	default:
		_, err = l.literal()
	}
	return err
}

// object takes an object, calling member at each value; member must take it.
func (l *lexer) object(member func(name string) error) error {
	return l.list('{', '}', func() error {
		name, err := l.key()
		if err != nil {
			return err
		}
		return member(name)
	})
}

// array takes an array, calling element at each value; element must take it.
func (l *lexer) array(element func() error) error { return l.list('[', ']', element) }

func (l *lexer) list(open, end byte, each func() error) error {
	if err := l.take(open); err != nil {
		return err
	}
	for first := true; ; {
		ok, err := l.more(&first, end)
		if err != nil || !ok {
			return err
		}
		if err := each(); err != nil {
			return err
		}
	}
}

// end accepts nothing but white space up to the end of the stream.
func (l *lexer) end() error {
	for {
		c, err := l.r.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return l.fail(err)
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return l.syntax("more after the end")
		}
	}
}
