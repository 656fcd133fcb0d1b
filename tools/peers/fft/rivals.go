package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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
	// time is the least time of one execution, in seconds.
	time() (float64, error)
}

// rival is a library, and how it did.
type rival struct {
	library
	able    bool // at this point
	planned float64
	least   float64
	logs    float64 // of its time over ours, all points
	count   int
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
	fftw, err := startFFTW()
	if err != nil {
		return stop, err
	}
	peers = append(peers, fftw)
	scipy, err := startScipy("/usr/bin/python3")
	if err != nil {
		return stop, err
	}
	peers = append(peers, scipy)
	for _, l := range []library{fftw, scipy, &gonum{bench: b}} {
		b.rivals = append(b.rivals, &rival{library: l})
	}
	return stop, nil
}

// invite has every rival plan a point.
func (b *bench) invite(dtype string, p point) (err error) {
	for _, r := range b.rivals {
		r.least = math.Inf(1)
		if r.planned, r.able, err = r.plan(dtype, p, b.threads); err != nil {
			return err
		}
	}
	return nil
}

// turn lets each rival that can have its turn.
func (b *bench) turn() error {
	for _, r := range b.rivals {
		if !r.able {
			continue
		}
		t, err := r.time()
		if err != nil {
			return err
		}
		r.least = min(r.least, t)
	}
	return nil
}

// judge adds a ratio, and gives the columns.
func (r *rival) judge(p point, mine float64) string {
	if !r.able {
		return fmt.Sprintf(" %14s %6s", "-", "-")
	}
	r.logs += math.Log(r.least / mine)
	r.count++
	return fmt.Sprintf(" %14.2f %6.2f", p.flops()/r.least/1e9, r.least/mine)
}

// peer is a program at the other end of a pipe; without one it can do nothing.
type peer struct {
	title string
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	dir   string
}

func startFFTW() (*peer, error) {
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
	return launch("FFTW", dir, bin)
}

// startScipy starts an interpreter with scipy, or gives a peer that can do
// nothing, and says so.
func startScipy(python string) (*peer, error) {
	if text, err := exec.Command(python, "-c", "import scipy.fft").CombinedOutput(); err != nil {
		log.Printf("no scipy: %v: %s (Debian: apt install python3-scipy)", err, text)
		return &peer{title: "scipy"}, nil
	}
	return launch("scipy", "", python, "-c", string(scipySource))
}

// launch starts a program; dir is removed when it ends.
func launch(title, dir string, argv ...string) (*peer, error) {
	p := &peer{title: title, cmd: exec.Command(argv[0], argv[1:]...), dir: dir}
	p.cmd.Stderr = os.Stderr
	in, err1 := p.cmd.StdinPipe()
	out, err2 := p.cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	return p, p.cmd.Start()
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

func (p *peer) time() (float64, error) { return p.ask("time") }

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
