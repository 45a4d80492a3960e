package hashing

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"
)

// A worker is a process that decodes images. It reads requests on its standard input and answers on its output:
//
//	request   1 byte: length of the kind; the kind; 8 bytes: length of the file, big-endian; the file
//	answer    4 bytes: length, big-endian; JSON of message
//
// Before it decodes, it answers with Need alone and waits for one byte, so that all workers together stay within their
// budget. The end of its input is its end.
type message struct {
	Need  uint64 `json:"need,omitempty"`
	Code  string `json:"code,omitempty"`
	Text  string `json:"text,omitempty"`
	Image *Image `json:"image,omitempty"`
}

// codes carry refusals across; what has none is damage.
var codes = map[string]error{
	"damaged": ErrDamaged, "bounds": ErrBounds, "lying": ErrLying, "variant": ErrVariant,
	"long": ErrTooLong, "died": ErrDied, "small": ErrTooSmall, "decoder": ErrNoDecoder,
}

// refusal is an error that came from a worker: its text, which names numbers, over the error that it is.
type refusal struct {
	text string
	is   error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.is }

func encodeRefusal(err error) message {
	for code, is := range codes {
		if errors.Is(err, is) {
			return message{Code: code, Text: err.Error()}
		}
	}
	return message{Code: "damaged", Text: ErrDamaged.Error()}
}

func decodeRefusal(m message) error {
	if is, ok := codes[m.Code]; ok {
		return &refusal{text: m.Text, is: is}
	}
	return ErrDied
}

// Work is a worker's life: it gives up what decoding does not need, then decodes until its input ends.
func Work(in io.Reader, out io.Writer) error {
	overdue := time.AfterFunc(killAfter, func() { os.Exit(1) }) // nobody may be left to kill it; timers also open what they need
	overdue.Stop()
	debug.SetMemoryLimit(collectBytes)
	if err := confine(); err != nil {
		return err
	}
	r := bufio.NewReaderSize(in, chunkBytes)
	for {
		kind, data, err := readRequest(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		overdue.Reset(killAfter)
		large := false
		m, err := hashImage(kind, data, maxDecodeTime, func(need uint64) error {
			large = need > collectBytes/8
			if err := writeMessage(out, message{Need: max(need, 1)}); err != nil {
				return err
			}
			overdue.Stop()
			defer overdue.Reset(killAfter)
			_, err := r.ReadByte()
			return err
		})
		answer := message{Image: &m}
		if err != nil {
			answer = encodeRefusal(err)
		}
		if err := writeMessage(out, answer); err != nil {
			return err
		}
		overdue.Stop()
		if large {
			debug.FreeOSMemory()
		}
	}
}

func readRequest(r *bufio.Reader) (Kind, []byte, error) {
	n, err := r.ReadByte()
	if err != nil {
		return "", nil, err
	}
	head := make([]byte, int(n)+8)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", nil, fmt.Errorf("request: %w", noEOF(err))
	}
	size := binary.BigEndian.Uint64(head[n:])
	if size > maxImageBytes {
		return "", nil, over("bytes", size, maxImageBytes)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return "", nil, fmt.Errorf("request: %w", noEOF(err))
	}
	return Kind(head[:n]), data, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func writeRequest(w io.Writer, kind Kind, data []byte) error {
	head := append([]byte{byte(len(kind))}, kind...)
	if _, err := w.Write(binary.BigEndian.AppendUint64(head, uint64(len(data)))); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

func writeMessage(w io.Writer, m message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// readMessage reads an answer strictly: what decodes hostile images is not trusted either.
func readMessage(r io.Reader) (message, error) {
	var m message
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return m, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxMessageBytes {
		return m, over("bytes of answer", uint64(n), maxMessageBytes)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return m, noEOF(err)
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, err
	}
	if m.Image != nil && (m.Image.Quality < 0 || m.Image.Quality > 100) {
		return m, over("of quality", uint64(m.Image.Quality), 100)
	}
	return m, nil
}
