package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"vgpu/tools/peers/internal/race"
)

//go:embed harness/fftw.c
var fftwSource []byte

//go:embed harness/scipy.py
var scipySource []byte

// library is somebody's transforms.
type library interface {
	name() string
	// plan prepares a point; ok is false if the library cannot do that.
	plan(dtype string, p point, threads int) (seconds float64, ok bool, err error)
	// Sample executes it once, and then so often, which is timed.
	race.Sampler
}

// rival is a library, and how it did.
type rival struct {
	library
	able    bool // at this point
	planned float64
	ratios  []float64 // of its time over ours, all points
}

// meet starts the rivals, FFTW first. What is not installed but FFTW is named
// and left out.
func (b *bench) meet() (stop func(), err error) {
	var peers []*peer
	stop = func() {
		for _, p := range peers {
			p.close()
		}
	}
	fftw, err := startFFTW(b.wisdom, b.huge)
	if err != nil {
		return stop, err
	}
	peers = append(peers, fftw)
	b.rivals = append(b.rivals, &rival{library: fftw})
	if b.against.MatchString("scipy") {
		scipy, err := startScipy("/usr/bin/python3")
		if err != nil {
			return stop, err
		}
		peers = append(peers, scipy)
		b.rivals = append(b.rivals, &rival{library: scipy})
	}
	if b.against.MatchString("gonum") {
		b.rivals = append(b.rivals, &rival{library: &gonum{side: side{pool: b.pool}}})
	}
	return stop, nil
}

// invite has every rival plan a point.
func (b *bench) invite(dtype string, p point) (err error) {
	for _, r := range b.rivals {
		if r.planned, r.able, err = r.plan(dtype, p, b.threads); err != nil {
			return err
		}
	}
	return nil
}

// judge adds a ratio, and gives the columns: of its times and ours, round by round.
func (r *rival) judge(p point, ours, times []float64) string {
	if len(times) == 0 {
		return fmt.Sprintf(" %14s %6s %6s", "-", "-", "-")
	}
	t := race.LowerQuartile(times)
	ratio := t / race.LowerQuartile(ours)
	r.ratios = append(r.ratios, ratio)
	return fmt.Sprintf(" %14.2f %6.2f %6.3f", p.flops()/t/1e9, ratio, race.RatioError(times, ours, race.LowerQuartile))
}

// peer is a program at the other end of a pipe; without one it can do nothing.
type peer struct {
	title string
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	dir   string
}

// startFFTW compiles the harness and starts it; plans are kept in the directory wisdom, if there is one.
func startFFTW(wisdom string, huge bool) (*peer, error) {
	dir, err := os.MkdirTemp("", "peers-fft-")
	if err != nil {
		return nil, err
	}
	c, bin := filepath.Join(dir, "fftw.c"), filepath.Join(dir, "fftw")
	if err := os.WriteFile(c, fftwSource, 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	cc := exec.Command("cc", "-O3", "-march=native", c, "-o", bin, "-lfftw3_threads", "-lfftw3", "-lfftw3f_threads", "-lfftw3f", "-lm", "-lpthread")
	if text, err := cc.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("%v: %s (Debian: apt install gcc libfftw3-dev)", err, text), os.RemoveAll(dir))
	}
	p := newPeer("FFTW", dir, bin, wisdom)
	if huge {
		p.cmd.Env = append(os.Environ(), "GLIBC_TUNABLES=glibc.malloc.hugetlb=1")
	}
	return p, p.start()
}

// startScipy starts an interpreter with scipy, or gives a peer that can do
// nothing, and says so.
func startScipy(python string) (*peer, error) {
	if text, err := exec.Command(python, "-c", "import scipy.fft").CombinedOutput(); err != nil {
		log.Printf("no scipy: %v: %s (Debian: apt install python3-scipy)", err, text)
		return &peer{title: "scipy"}, nil
	}
	p := newPeer("scipy", "", python, "-c", string(scipySource))
	return p, p.start()
}

// newPeer is a program to start; dir is removed when it ends.
func newPeer(title, dir string, argv ...string) *peer {
	p := &peer{title: title, cmd: exec.Command(argv[0], argv[1:]...), dir: dir}
	p.cmd.Stderr = os.Stderr
	return p
}

func (p *peer) start() error {
	in, err1 := p.cmd.StdinPipe()
	out, err2 := p.cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	p.in, p.out = in, bufio.NewReader(out)
	return p.cmd.Start()
}

func (p *peer) name() string { return p.title }

func (p *peer) ask(format string, args ...any) (float64, error) {
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		return 0, err
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("%s's side ended: %w", p.title, err)
	}
	return strconv.ParseFloat(strings.TrimSpace(line), 64)
}

func (p *peer) plan(dtype string, q point, threads int) (seconds float64, ok bool, err error) {
	if p.cmd == nil {
		return 0, false, nil
	}
	kind := "c2c"
	if q.real {
		kind = "r2c"
	}
	dims := strings.Trim(fmt.Sprint(q.dims), "[]")
	seconds, err = p.ask("plan %s %s %d %d %d %s", dtype, kind, threads, q.batch, len(q.dims), dims)
	return seconds, err == nil, err
}

// Sample implements race.Sampler.
func (p *peer) Sample(_ context.Context, reps int) (float64, error) { return p.ask("sample %d", reps) }

func (p *peer) close() {
	if p.cmd == nil {
		return
	}
	err := errors.Join(p.in.Close(), p.cmd.Wait())
	if p.dir != "" {
		err = errors.Join(err, os.RemoveAll(p.dir))
	}
	if err != nil {
		log.Print(err)
	}
}
