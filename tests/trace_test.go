package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The traces in testdata/traces are conversations with a device, in a
// language that two interpreters read: this one, which makes system calls, and
// trace.sh, which does the same with a shell's own means. A line is a step, or
// what is expected of the output of the step before it:
//
//	# a comment
//	write PATH TEXT     `>`: TEXT and a newline; \n, \t, \\ and \0ooo in it as printf's %b has them
//	append PATH TEXT    `>>`
//	send PATH TEXT      `>` without the newline
//	truncate PATH       `>` with nothing
//	ask LINE            a line written to run, and its answer read
//	read PATH           the text
//	list PATH           the names in a directory, sorted
//	has PATH ERE        a line matches as a whole; lacks: none does
//	size PATH N         the number of bytes that can be read
//	same PATH PATH      the bytes are the same
//	json PATH           the text is JSON
//	job QUEUE           from here on @JOB is the queue's newest job
//	present PATH, absent PATH
//	mkdir, rmdir, touch, rm PATH; mv, ln, copy PATH PATH; symlink TARGET PATH; chmod MODE PATH
//	= TEXT              the next line of the output, exactly
//	~ ERE               the next line matches as a whole
//	*                   whatever follows
//
// Where output is compared, it must end where the expectations do. A step must
// succeed, unless `fails ERRNO` stands before it. One after `root` is root's
// alone, one after `user` everybody else's. @UID and @GID are whose the tests are.
const traceGlob = "testdata/traces/*.trace"

// tracer carries out a trace by system calls.
type tracer struct {
	d      *dev
	job    string // @JOB
	out    []string
	strict bool // the output has been compared and nothing waives its rest
}

func TestTraces(t *testing.T) {
	files := traceFiles(t)
	d := mount(t)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			tr := &tracer{d: d}
			for i, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
				if err := tr.line(tr.expand(line)); err != nil {
					t.Errorf("%s:%d: %s: %v", name, i+1, line, err)
				}
			}
			if err := tr.finish(); err != nil {
				t.Errorf("%s: at its end: %v", name, err)
			}
		})
	}
}

func TestTracesByShell(t *testing.T) {
	files := traceFiles(t)
	for i, name := range files {
		abs, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = abs
	}
	script, err := filepath.Abs("trace.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			d := mount(t)
			argv := append(strings.Fields(shell), script, d.dir)
			if out, err := exec.Command(argv[0], append(argv[1:], files...)...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\n%s", err, out, d.read("errors"))
			}
		})
	}
}

func traceFiles(t *testing.T) []string {
	files, err := filepath.Glob(traceGlob)
	if err != nil || len(files) < 5 {
		t.Fatalf("%v: %d traces", err, len(files))
	}
	return files
}

func (tr *tracer) expand(line string) string {
	return strings.NewReplacer("@JOB", tr.job, "@UID", strconv.Itoa(os.Getuid()), "@GID", strconv.Itoa(os.Getgid())).Replace(line)
}

// line takes a step, or compares.
func (tr *tracer) line(line string) error {
	switch {
	case line == "", strings.HasPrefix(line, "#"):
		return nil
	case strings.HasPrefix(line, "="), strings.HasPrefix(line, "~ "), line == "*":
		return tr.compare(line)
	}
	if err := tr.finish(); err != nil {
		return err
	}
	if who, rest, _ := strings.Cut(line, " "); who == "root" || who == "user" {
		if (who == "root") != (os.Geteuid() == 0) {
			return nil
		}
		line = rest
	}
	want := syscall.Errno(0)
	if rest, ok := strings.CutPrefix(line, "fails "); ok {
		name, rest, _ := strings.Cut(rest, " ")
		if want = errnoByName(name); want == 0 {
			return fmt.Errorf("no errno is named %s", name)
		}
		line = rest
	}
	verb, rest, _ := strings.Cut(line, " ")
	out, err := tr.step(verb, rest)
	tr.out = nil
	if out != "" {
		tr.out = strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	}
	switch {
	case want == 0:
		return err
	case !errors.Is(err, want):
		return fmt.Errorf("%v, want %v", err, want)
	}
	return nil
}

func (tr *tracer) finish() error {
	defer func() { tr.strict = false }()
	if tr.strict && len(tr.out) > 0 {
		return fmt.Errorf("the step before gave more: %q", tr.out)
	}
	return nil
}

func (tr *tracer) compare(line string) error {
	tr.strict = line != "*"
	if !tr.strict {
		return nil
	}
	if len(tr.out) == 0 {
		return errors.New("the output ends")
	}
	got := tr.out[0]
	tr.out = tr.out[1:]
	if text, ok := strings.CutPrefix(line, "="); ok {
		if got != strings.TrimPrefix(text, " ") {
			return fmt.Errorf("%q", got)
		}
		return nil
	}
	re, err := wholeLine(line[2:])
	if err == nil && !re.MatchString(got) {
		err = fmt.Errorf("%q", got)
	}
	return err
}

func wholeLine(expr string) (*regexp.Regexp, error) { return regexp.CompilePOSIX("^(" + expr + ")$") }

// step carries out one step and returns its output.
func (tr *tracer) step(verb, rest string) (string, error) {
	operand, more, _ := strings.Cut(rest, " ")
	path := tr.d.path(operand)
	switch verb {
	case "write":
		return "", echo(path, unescape(more)+"\n", os.O_TRUNC)
	case "append":
		return "", echo(path, unescape(more)+"\n", os.O_APPEND)
	case "send":
		return "", store(path, unescape(more), os.O_TRUNC)
	case "truncate":
		return "", store(path, "", os.O_TRUNC)
	case "ask":
		return exchange(tr.d.path("run"), unescape(rest)+"\n")
	case "read":
		return slurp(path)
	case "list":
		return names(path)
	case "job":
		return "", tr.newest(operand)
	case "same":
		return "", same(path, tr.d.path(more))
	}
	if f := probes[verb]; f != nil {
		return "", f(path, more)
	}
	return "", tr.change(verb, operand, more)
}

// change is the steps that make, move and remove.
func (tr *tracer) change(verb, operand, more string) error {
	path := tr.d.path(operand)
	switch verb {
	case "mkdir":
		return os.Mkdir(path, 0o777)
	case "rmdir":
		return syscall.Rmdir(path)
	case "rm":
		return syscall.Unlink(strings.TrimSuffix(path+" "+more, " ")) // a name may hold a blank
	case "touch":
		return store(path, "", 0)
	case "mv":
		return os.Rename(path, tr.d.path(more))
	case "ln":
		return os.Link(path, tr.d.path(more))
	case "copy":
		text, err := slurp(path)
		return errors.Join(err, store(tr.d.path(more), text, os.O_TRUNC))
	case "symlink":
		return os.Symlink(operand, tr.d.path(more))
	case "chmod":
		mode, err := strconv.ParseUint(operand, 8, 32)
		return errors.Join(err, os.Chmod(tr.d.path(more), os.FileMode(mode)))
	}
	return fmt.Errorf("no such verb: %s", verb)
}

// probes are the steps that look.
var probes = map[string]func(path, more string) error{
	"present": func(path, _ string) error { _, err := os.Stat(path); return err },
	"absent": func(path, _ string) error {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s: %v", path, err)
		}
		return nil
	},
	"size": func(path, more string) error {
		text, err := slurp(path)
		if fmt.Sprint(len(text)) != more {
			return errors.Join(err, fmt.Errorf("%d bytes", len(text)))
		}
		return err
	},
	"has":   func(path, expr string) error { return search(path, expr, true) },
	"lacks": func(path, expr string) error { return search(path, expr, false) },
	"json": func(path, _ string) error {
		text, err := slurp(path)
		if err == nil && !json.Valid([]byte(text)) {
			err = fmt.Errorf("no JSON: %s", text)
		}
		return err
	},
}

func same(path, other string) error {
	a, err1 := slurp(path)
	b, err2 := slurp(other)
	if a != b {
		return fmt.Errorf("%d bytes and %d bytes that differ", len(a), len(b))
	}
	return errors.Join(err1, err2)
}

func search(path, expr string, want bool) error {
	re, err := wholeLine(expr)
	if err != nil {
		return err
	}
	text, err := slurp(path)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(strings.Split(text, "\n"), re.MatchString) != want {
		return fmt.Errorf("a line that matches is there: %t\n%s", !want, text)
	}
	return nil
}

func (tr *tracer) newest(queue string) error {
	list, err := os.ReadDir(tr.d.path("queues/" + queue + "/jobs"))
	if err != nil {
		return err
	}
	best := 0
	for _, e := range list {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			return err
		}
		best = max(best, id)
	}
	tr.job = strconv.Itoa(best)
	return nil
}

// echo opens, writes and closes, as a shell does, which ignores what close says:
// that a job has failed meanwhile, perhaps.
func echo(path, text string, flags int) error {
	fd, err := syscall.Open(path, os.O_WRONLY|os.O_CREATE|syscall.O_CLOEXEC|flags, 0o666)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	_, err = syscall.Write(fd, []byte(text))
	return err
}

// store opens, writes and closes, and close's error counts.
func store(path, text string, flags int) error {
	fd, err := syscall.Open(path, os.O_WRONLY|os.O_CREATE|syscall.O_CLOEXEC|flags, 0o666)
	if err != nil {
		return err
	}
	if text != "" {
		_, err = syscall.Write(fd, []byte(text))
	}
	return errors.Join(err, syscall.Close(fd))
}

// slurp reads a file whole; what came before an error is returned with it.
func slurp(path string) (string, error) {
	fd, err := syscall.Open(path, os.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer syscall.Close(fd)
	return drain(fd)
}

func drain(fd int) (string, error) {
	var out []byte
	for buf := make([]byte, 64<<10); ; {
		n, err := syscall.Read(fd, buf)
		if err != nil {
			return string(out), err
		}
		if n == 0 {
			return string(out), nil
		}
		out = append(out, buf[:n]...)
	}
}

// exchange writes a line and reads the answer on the same handle.
func exchange(path, line string) (string, error) {
	fd, err := syscall.Open(path, os.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer syscall.Close(fd)
	if _, err := syscall.Write(fd, []byte(line)); err != nil {
		return "", err
	}
	return drain(fd)
}

func names(dir string) (string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return "", err
	}
	defer f.Close()
	list, err := f.Readdirnames(-1)
	if err != nil && !errors.Is(err, io.EOF) || len(list) == 0 {
		return "", err
	}
	slices.Sort(list)
	return strings.Join(list, "\n") + "\n", nil
}

// unescape does what printf's %b does with the escapes that traces use.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch i++; s[i] {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case '0':
			v, err := strconv.ParseUint(s[i:min(i+4, len(s))], 8, 8)
			if err != nil {
				panic(err)
			}
			b.WriteByte(byte(v))
			i += 3
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// errnoByName finds an errno by the name that the device's files use.
func errnoByName(name string) syscall.Errno {
	return map[string]syscall.Errno{
		"E2BIG": syscall.E2BIG, "EACCES": syscall.EACCES, "EBUSY": syscall.EBUSY, "EDOM": syscall.EDOM, "EEXIST": syscall.EEXIST,
		"EINVAL": syscall.EINVAL, "EIO": syscall.EIO, "EISDIR": syscall.EISDIR, "ELOOP": syscall.ELOOP, "ENOENT": syscall.ENOENT,
		"ENOMEM": syscall.ENOMEM, "ENOSPC": syscall.ENOSPC, "ENOTDIR": syscall.ENOTDIR, "ENOTEMPTY": syscall.ENOTEMPTY, "EPERM": syscall.EPERM,
		"ETIMEDOUT": syscall.ETIMEDOUT,
	}[name]
}
