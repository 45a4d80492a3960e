package hashing

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vigil/node/hashing/pdq"
)

// Frame is the perceptual hash of one frame of a film.
type Frame struct {
	Number  int     // counted from 0
	Seconds float64 // number over the average rate
	Quality int
	Hash    pdq.Hash
}

// films hashes films by programs that are installed.
type films struct {
	ffmpeg, ffprobe string        // empty: not installed
	one             chan struct{} // ffmpeg takes all cores: one film at a time
	whole, stall    time.Duration
}

func newFilms() *films {
	f := &films{one: make(chan struct{}, 1), whole: maxFilmTime, stall: maxFilmStall}
	mpeg, err1 := exec.LookPath("ffmpeg")
	probe, err2 := exec.LookPath("ffprobe")
	if err1 == nil && err2 == nil {
		f.ffmpeg, f.ffprobe = mpeg, probe
	}
	return f
}

// guarded are the options before every input: nothing is read but the file, and no format that names other files, such
// as play lists. The file is descriptor 3: its name never reaches the program.
var guarded = []string{
	"-protocol_whitelist", "file",
	"-format_whitelist", "mov,matroska,avi,flv,mpeg,mpegts,mpegvideo,h264,hevc,m4v,asf,ogg,rm,mxf",
	"-i", "file:/dev/fd/3",
}

// stream is what ffprobe says of the first video stream.
type stream struct {
	width, height int
	rate          float64
}

// hash returns the frames of a film, none of a file without pictures. Where decoding ends early, the frames up to there
// come with the error.
func (f *films) hash(ctx context.Context, file *os.File) ([]Frame, error) {
	if f.ffmpeg == "" {
		return nil, ErrNoFFmpeg
	}
	select {
	case f.one <- struct{}{}:
		defer func() { <-f.one }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.whole, ErrTooLong)
	defer cancel()
	info, err := f.probe(ctx, file)
	if err != nil || info == nil {
		return nil, err
	}
	if pixels := uint64(info.width) * uint64(info.height); pixels > maxFramePixels {
		return nil, over("pixels a frame", pixels, maxFramePixels)
	}
	return f.frames(ctx, file, *info)
}

// run starts a program that inherits nothing but the file.
func run(ctx context.Context, program string, args []string, file *os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killWait
	return cmd
}

func (f *films) probe(ctx context.Context, file *os.File) (*stream, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxProbeTime, ErrTooLong)
	defer cancel()
	args := append([]string{"-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height,avg_frame_rate,r_frame_rate", "-of", "json"}, guarded...)
	cmd := run(ctx, f.ffprobe, args, file)
	out := &bounded{left: maxProbeBytes}
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	limitMemory(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		return nil, filmError(ctx)
	}
	return readProbe(out.kept.Bytes())
}

func filmError(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return ErrFilm
}

func readProbe(b []byte) (*stream, error) {
	var answer struct {
		Streams []struct {
			Width       int    `json:"width"`
			Height      int    `json:"height"`
			AverageRate string `json:"avg_frame_rate"`
			LowestRate  string `json:"r_frame_rate"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return nil, ErrFilm
	}
	if len(answer.Streams) == 0 {
		return nil, nil // sound only
	}
	s := answer.Streams[0]
	rate := ratio(s.AverageRate)
	if rate == 0 {
		rate = ratio(s.LowestRate)
	}
	if s.Width < pdq.MinSide || s.Height < pdq.MinSide {
		return nil, ErrTooSmall
	}
	if rate == 0 {
		return nil, fmt.Errorf("%w: no frame rate", ErrFilm)
	}
	return &stream{width: s.Width, height: s.Height, rate: rate}, nil
}

// ratio reads "30000/1001"; 0 is none.
func ratio(text string) float64 {
	above, below, _ := strings.Cut(text, "/")
	a, err1 := strconv.ParseUint(above, 10, 31)
	b, err2 := strconv.ParseUint(below, 10, 31)
	if err1 != nil || err2 != nil || b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// step is how many frames a second has: of so many one is hashed.
func (s stream) step() int { return max(int(s.rate), 1) }

func (s stream) arguments() []string {
	// Frames are stamped anew, one a second, so that none is left out or doubled on the way to the output.
	filter := fmt.Sprintf("select=not(mod(n\\,%d)),setpts=N/TB,scale=%d:%d:flags=area,format=rgb24", s.step(), s.width, s.height)
	args := append([]string{"-nostdin", "-v", "error", "-noautorotate"}, guarded...)
	return append(args, "-map", "0:v:0", "-vf", filter, "-r", "1", "-frames:v", strconv.Itoa(maxFrames), "-f", "rawvideo", "pipe:1")
}

func (f *films) frames(ctx context.Context, file *os.File, info stream) ([]Frame, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := run(ctx, f.ffmpeg, info.arguments(), file)
	complaint := &tail{} // of frames that do not decode; ffmpeg goes on, and calls that success
	cmd.Stderr = complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	limitMemory(cmd.Process.Pid)
	stalled := time.AfterFunc(f.stall, func() { cancel(ErrTooLong) })
	defer stalled.Stop()
	frames, readErr := readFrames(bufio.NewReaderSize(out, chunkBytes), info, func() { stalled.Reset(f.stall) })
	if readErr != nil {
		cancel(readErr)
	}
	waitErr := cmd.Wait()
	switch {
	case readErr != nil || waitErr != nil:
		return frames, filmError(ctx)
	case len(frames) == 0:
		return nil, ErrFilm
	case complaint.String() != "":
		return frames, fmt.Errorf("%w: not all of it decodes", ErrDamaged)
	}
	return frames, nil
}

// readFrames hashes frames of three bytes a pixel as they come.
func readFrames(r io.Reader, info stream, next func()) ([]Frame, error) {
	var frames []Frame
	pixels, row := make([]byte, 3*info.width), make([]float32, info.width)
	for len(frames) < maxFrames {
		h, err := pdq.New(info.width, info.height)
		if err != nil {
			return frames, err
		}
		for y := range info.height {
			if _, err := io.ReadFull(r, pixels); err != nil {
				if errors.Is(err, io.EOF) && y == 0 {
					return frames, nil
				}
				return frames, ErrFilm
			}
			pdq.Luminance(row, pixels, 3)
			h.Row(row)
		}
		s, n := h.Sum(), len(frames)*info.step()
		frames = append(frames, Frame{Number: n, Seconds: float64(float32(n) / float32(info.rate)), Quality: s.Quality, Hash: s.Hash()})
		next()
	}
	return frames, nil
}

// bounded keeps what is written to it, and fails over its bound. The buffer is no embedded field: its ReadFrom would go
// around the bound.
type bounded struct {
	kept bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, ErrBounds
	}
	return b.kept.Write(p)
}
