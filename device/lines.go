package device

import (
	"bytes"
	"fmt"
	"syscall"

	"vgpu/kernels/command"
)

// LineBuffer assembles lines from the writes of one handle: a line may arrive
// in several writes, and a write may hold many lines. The zero value is empty.
// It is not safe for concurrent use.
type LineBuffer struct {
	partial []byte // a line that has no newline yet
	skip    bool   // it was too long: drop up to its newline
}

// Add takes a write and returns the lines that it completes, without their
// newlines. E2BIG if a line is too long; that line is dropped to its end.
func (b *LineBuffer) Add(p []byte) (lines []string, err error) {
	if b.skip {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			return nil, nil
		}
		p, b.skip = p[i+1:], false
	}
	all := append(bytes.Clone(b.partial), p...)
	end := bytes.LastIndexByte(all, '\n') + 1
	b.partial = all[end:]
	if len(b.partial) > command.MaxLine {
		b.partial, b.skip = nil, true
		return nil, fmt.Errorf("a line of more than %d bytes: %w", command.MaxLine, syscall.E2BIG)
	}
	for l := range bytes.Lines(all[:end]) {
		lines = append(lines, string(bytes.TrimSuffix(l, []byte("\n"))))
	}
	return lines, nil
}

// Tail takes what is left of a line without newline.
func (b *LineBuffer) Tail() string {
	s := string(b.partial)
	b.partial = nil
	return s
}
