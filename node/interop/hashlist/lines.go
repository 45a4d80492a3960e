package hashlist

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"vigil/node/interop/row"
)

// lines reads bounded lines and counts them.
type lines struct {
	r    *bufio.Reader
	line uint64
}

func newLines(r io.Reader) *lines {
	l := &lines{r: bufio.NewReaderSize(r, row.MaxLineBytes)}
	if b, _ := l.r.Peek(3); bytes.Equal(b, []byte{0xef, 0xbb, 0xbf}) {
		_, _ = l.r.Discard(3)
	}
	return l
}

// next returns the next line without its end, valid until the next call. A line over the bound is consumed and gives
// row.ErrLongLine.
func (l *lines) next() ([]byte, error) {
	l.line++
	b, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = row.ErrLongLine
		}
		return nil, err
	}
	if errors.Is(err, io.EOF) && len(b) > 0 {
		err = nil
	}
	return bytes.TrimRight(b, "\r\n"), err
}
