package device

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"time"

	"vgpu/kernels/command"
)

// ErrorEntry is one line of the error list: what was refused or failed.
type ErrorEntry struct {
	Time  time.Time
	Queue string // empty for the device itself
	Job   uint64 // 0 if the line never became a job
	Errno syscall.Errno
	Msg   string // one line of valid UTF-8, without the words of Errno alone
	Hint  string // what to do about it, as Msg
	Line  string // the command as written: any bytes but a newline
	Span  command.Span
	Caret bool // Span says where the fault is
}

// Errors returns the last 100 entries, oldest first, and how many there ever
// were.
func (d *Device) Errors() ([]ErrorEntry, uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]ErrorEntry(nil), d.errors...), d.errTotal
}

// ClearErrors empties the list.
func (d *Device) ClearErrors() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errors = nil
}

// noteError adds an entry. The caller must not hold mu.
func (d *Device) noteError(e ErrorEntry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteErrorLocked(e)
}

func (d *Device) noteErrorLocked(e ErrorEntry) {
	e.Time, e.Msg, e.Hint = time.Now(), command.Printable(e.Msg), command.Printable(e.Hint)
	if len(d.errors) == maxErrors {
		copy(d.errors, d.errors[1:])
		d.errors = d.errors[:maxErrors-1]
	}
	d.errors = append(d.errors, e)
	d.errTotal++
}

// entryOf turns an error about a line into an entry.
func entryOf(queue string, job uint64, line string, err error) ErrorEntry {
	e := ErrorEntry{Queue: queue, Job: job, Line: line, Errno: Errno(err), Msg: saying(err)}
	var ce *command.Error
	if errors.As(err, &ce) {
		e.Msg, e.Hint, e.Span, e.Caret = ce.Msg, ce.Hint, ce.Span, true
	}
	if e.Hint == "" {
		e.Hint = tierHint(err)
	}
	e.Msg, e.Hint = command.Printable(e.Msg), command.Printable(e.Hint) // names in them may come from anybody
	return e
}

// saying is an error's text without the words of its errno, whose name stands
// before it. Those of a system call stay: they alone say what happened to it.
func saying(err error) string {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return err.Error()
	}
	return strings.TrimSuffix(err.Error(), ": "+Errno(err).Error())
}

// Errno is the errno of an error: what it wraps, or EIO.
func Errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var no syscall.Errno
	if errors.As(err, &no) {
		return no
	}
	return syscall.EIO
}

// failf is a refusal about a span of a line.
func failf(errno syscall.Errno, span command.Span, hint, msg string) *command.Error {
	return &command.Error{Errno: errno, Span: span, Msg: msg, Hint: hint}
}
