package iouring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRandom writes and reads all over a file, several at a time, and compares
// with a model in memory.
func TestRandom(t *testing.T) {
	for _, m := range []struct {
		name          string
		flags, grain  int
		fixed, vector bool
	}{
		{"buffered", 0, 1, false, false}, {"buffered-vectors", 0, 1, false, true},
		{"direct", unix.O_DIRECT, 4096, false, false}, {"direct-fixed", unix.O_DIRECT, 4096, true, false}, {"direct-vectors", unix.O_DIRECT, 4096, true, true},
	} {
		t.Run(m.name, func(t *testing.T) {
			each(t, 8, func(t *testing.T, r *Ring) { testRandom(t, r, m.flags, m.grain, m.fixed, m.vector) })
		})
	}
}

func testRandom(t *testing.T, r *Ring, flags, grain int, fixed, vector bool) {
	const size, most, depth = 1 << 20, 64 << 10, 12
	fd := file(t, flags, size)
	model, mem := make([]byte, size), pages(t, depth*most)
	if fixed {
		if err := errors.Join(r.RegisterBuffers([][]byte{mem[:len(mem)/2], mem[len(mem)/2:]}), r.RegisterFiles([]int{fd})); err != nil {
			t.Fatal(err)
		}
		fd = 0
	}
	rng := rand.New(rand.NewPCG(3, 4))
	q := r.NewQueue()
	for range 30 {
		var ops []*Op
		at := 0
		for i := range depth { // apart from each other, so that any order gives the same
			n := grain * rng.IntN(most/grain)
			off := min(at+grain*rng.IntN(most/2/grain), size-n)
			if off < at {
				break
			}
			at = off + n
			o := &Op{Code: []Code{Read, Write}[rng.IntN(2)], FD: fd, FixedFile: fixed, Off: int64(off), Tag: model[off:at]}
			buf := mem[i*most:][:n]
			if o.Code == Write {
				copy(model[off:], randomBytes(buf, rng.Uint64()))
			}
			if o.Buf = buf; vector {
				o.Buf, o.Vec = nil, split(rng, buf, grain)
			}
			ops = append(ops, o)
		}
		submit(t, q, ops...)
		for range ops {
			o := next(t, q)
			if o.Err != nil || o.N != o.Size() || !bytes.Equal(slices.Concat(append(o.Vec, o.Buf)...), o.Tag.([]byte)) {
				t.Fatalf("%v of %d at %d: %d, %v", o.Code, o.Size(), o.Off, o.N, o.Err)
			}
		}
	}
	if _, err := q.Next(ctx); err != ErrIdle {
		t.Errorf("an idle queue: %v", err)
	}
}

// split cuts a buffer into a few, some of them empty.
func split(rng *rand.Rand, b []byte, grain int) (list [][]byte) {
	for len(b) > 0 {
		n := min(len(b), grain*rng.IntN(1+len(b)/grain))
		list = append(list, b[:n])
		if b = b[n:]; len(list) == 5 {
			break
		}
	}
	return append(list, b)
}

// TestLongVector has more parts than a system call takes, and a link behind.
func TestLongVector(t *testing.T) {
	each(t, 4, func(t *testing.T, r *Ring) {
		fd := file(t, 0, 0)
		data := randomBytes(make([]byte, 3*maxVector+7), 1)
		var vec [][]byte
		for i := range data {
			vec = append(vec, data[i:i+1], nil)
		}
		back := make([]byte, len(data))
		do(t, r, &Op{Code: Write, FD: fd, Vec: vec, Link: true}, &Op{Code: Read, FD: fd, Buf: back})
		if !bytes.Equal(back, data) {
			t.Error("other bytes came back")
		}
	})
}

// TestEdges are sizes of nothing, the end of the file, and offsets beyond.
func TestEdges(t *testing.T) {
	each(t, 4, func(t *testing.T, r *Ring) {
		for _, flags := range []int{0, unix.O_DIRECT} {
			fd := file(t, flags, 5000)
			buf := pages(t, 16384)
			for _, x := range []struct{ off, size, want int }{{0, 0, 0}, {0, 8192, 5000}, {4096, 4096, 904}, {8192, 4096, 0}, {0, 4096, 4096}} {
				o := &Op{Code: Read, FD: fd, Off: int64(x.off), Buf: buf[:x.size]}
				err := r.Do(ctx, o)
				if short := x.want < x.size; o.N != x.want || short != (err == io.EOF) || !short && err != nil {
					t.Errorf("%d at %d of 5000: %d, %v", x.size, x.off, o.N, err)
				}
			}
		}
	})
}

func TestOtherOperations(t *testing.T) {
	each(t, 4, func(t *testing.T, r *Ring) {
		path := filepath.Join(t.TempDir(), "f")
		fd := fileAt(t, path, 0, 0)
		do(t, r, &Op{}, &Op{Code: Fallocate, FD: fd, Off: 4096, Len: 8192, Link: true}, &Op{Code: Write, FD: fd, Buf: []byte("x"), Link: true},
			&Op{Code: Fsync, FD: fd}, &Op{Code: Fsync, FD: fd, DataOnly: true})
		if st, err := os.Stat(path); err != nil || st.Size() != 12288 {
			t.Errorf("%v, %v after fallocate", st, err)
		}
		do(t, r, &Op{Code: Fallocate, FD: fd, Len: 16384, Mode: unix.FALLOC_FL_KEEP_SIZE}, &Op{Code: Fallocate, FD: fd, Len: 4096, Mode: unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE})
		one := []byte{1}
		do(t, r, &Op{Code: Read, FD: fd, Buf: one})
		if st, err := os.Stat(path); err != nil || st.Size() != 12288 || one[0] != 0 {
			t.Errorf("%v, %v, %d after the hole", st, err, one[0])
		}
	})
}

func TestErrors(t *testing.T) {
	each(t, 4, func(t *testing.T, r *Ring) {
		fd := file(t, 0, 10)
		ro, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ro)
		buf := make([]byte, 10)
		for _, x := range []struct {
			op   *Op
			want error
		}{
			{&Op{Code: Read, FD: -1, Buf: buf}, unix.EBADF},
			{&Op{Code: Read, FD: 1 << 20, Buf: buf}, unix.EBADF},
			{&Op{Code: Read, FD: 3, FixedFile: true, Buf: buf}, unix.EBADF},
			{&Op{Code: Write, FD: ro, Buf: buf}, unix.EBADF},
			{&Op{Code: Fsync, FD: -1}, unix.EBADF},
			{&Op{Code: Fallocate, FD: ro, Len: 1}, unix.EBADF},
			{&Op{Code: numCodes}, unix.EOPNOTSUPP},
			{&Op{Code: Read, FD: fd, Off: -2, Buf: buf}, unix.EINVAL},
			{&Op{Code: Fsync, FD: fd, Off: -1}, unix.EINVAL},
			{&Op{Code: Read, FD: fd, Buf: buf, Vec: [][]byte{buf}}, unix.EINVAL},
			{&Op{Code: Fallocate, FD: fd}, unix.EINVAL},
			{&Op{Code: Write, FD: fd, Buf: buf}, nil}, // and the ring is none the worse
		} {
			wantErr(t, fmt.Sprintf("%v of %d", x.op.Code, x.op.FD), r.Do(ctx, x.op), x.want)
			wantErr(t, "beside another", r.Do(ctx, &Op{}, x.op), x.want)
		}
		n, err := r.NewQueue().Submit(ctx, &Op{Link: true}, &Op{Link: true}, &Op{Link: true}, &Op{Link: true}, &Op{})
		if n != 0 || !errors.Is(err, unix.EINVAL) {
			t.Errorf("a chain longer than the window: %d, %v", n, err)
		}
	})
}

// TestBrokenChain breaks a chain at every place.
func TestBrokenChain(t *testing.T) {
	each(t, 8, func(t *testing.T, r *Ring) {
		const n = 6
		fd := file(t, 0, 0)
		for bad := range n + 1 {
			var ops []*Op
			for i := range n {
				ops = append(ops, &Op{Code: Write, FD: fd, Off: int64(bad*n + i), Buf: []byte{byte(i + 1)}, Link: i < n-1})
			}
			if bad < n {
				ops[bad].FD = -1
			}
			beside := &Op{Code: Write, FD: fd, Off: 1000, Buf: []byte{9}}
			err := r.Do(ctx, append(ops, beside)...)
			if bad < n {
				wantErr(t, "the chain", err, unix.EBADF)
			}
			wantErr(t, "what follows the chain", beside.Err, nil)
			got := make([]byte, n)
			do(t, r, &Op{Code: Read, FD: fd, Off: int64(bad * n), Buf: got})
			for i, o := range ops {
				switch {
				case i < bad && (o.Err != nil || got[i] != byte(i+1)), i == bad && o.Err != unix.EBADF, i > bad && (o.Err != unix.ECANCELED || got[i] != 0):
					t.Errorf("broken at %d: operation %d: %v, byte %d", bad, i, o.Err, got[i])
				}
			}
		}
	})
}

// TestChainOrder writes the same byte over and over: the last must win.
func TestChainOrder(t *testing.T) {
	each(t, 16, func(t *testing.T, r *Ring) {
		fd := file(t, 0, 0)
		for round := range 50 {
			var ops []*Op
			for i := range 12 {
				ops = append(ops, &Op{Code: Write, FD: fd, Off: int64(round), Buf: []byte{byte(i)}, Link: true})
			}
			got := []byte{99}
			do(t, r, append(ops, &Op{Code: Read, FD: fd, Off: int64(round), Buf: got})...)
			if got[0] != 11 {
				t.Fatalf("round %d reads %d", round, got[0])
			}
		}
	})
}

// TestFullDisk runs into the end of a small tmpfs.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("a tmpfs, which takes root: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil { // no ring holds on to a file
			t.Error(err)
		}
	}()
	each(t, 4, func(t *testing.T, r *Ring) {
		path := filepath.Join(dir, "f")
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer os.Remove(path)
		defer unix.Close(fd)
		if err := r.RegisterFiles([]int{fd}); err != nil {
			t.Fatal(err)
		}
		o, after := &Op{Code: Write, FixedFile: true, Buf: make([]byte, 100<<10), Link: true}, &Op{Code: Fsync, FD: fd}
		wantErr(t, "a write too long", r.Do(ctx, o, after), unix.ENOSPC)
		if o.N != 64<<10 || after.Err != unix.ECANCELED {
			t.Errorf("%d bytes were written, and then %v", o.N, after.Err)
		}
		wantErr(t, "fallocate", r.Do(ctx, &Op{Code: Fallocate, FD: fd, Len: 1 << 20}), unix.ENOSPC)
		if err := r.RegisterFiles(nil); err != nil {
			t.Error(err)
		}
	})
}

// TestWindow submits far more than the window, from one goroutine that takes
// nothing until the end.
func TestWindow(t *testing.T) {
	for _, window := range []int{1, 2, 3, 64} {
		each(t, window, func(t *testing.T, r *Ring) {
			var ops []*Op
			for i := range 500 {
				ops = append(ops, &Op{Tag: i, Link: i%3 == 0 && window > 1})
			}
			ops[len(ops)-1].Link = false
			q := r.NewQueue()
			submit(t, q, ops...)
			if n := r.flying(); n > window || q.Pending() != len(ops) {
				t.Errorf("%d in flight, %d pending", n, q.Pending())
			}
			seen := map[any]bool{}
			for range ops {
				seen[next(t, q).Tag] = true
			}
			if len(seen) != len(ops) || q.Pending() != 0 {
				t.Errorf("%d of %d came back", len(seen), len(ops))
			}
		})
	}
}

// TestGoroutines has many submit, take, cancel and poll at once.
func TestGoroutines(t *testing.T) {
	each(t, 7, func(t *testing.T, r *Ring) {
		fd := file(t, 0, 0)
		var wg sync.WaitGroup
		for g := range 16 {
			wg.Go(func() {
				if err := oneOfMany(r, fd, g); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// oneOfMany writes and reads its own part of a file.
func oneOfMany(r *Ring, fd, g int) error {
	q := r.NewQueue()
	rng := rand.New(rand.NewPCG(uint64(g), 0))
	data, got := make([]byte, 5000), make([]byte, 5000)
	for round := range 20 {
		randomBytes(data, rng.Uint64())
		w := &Op{Code: Write, FD: fd, Off: int64(g) * 5000, Buf: data, Link: true}
		if _, err := q.Submit(ctx, w, &Op{Code: Read, FD: fd, Off: w.Off, Buf: got}, &Op{Tag: round}); err != nil {
			return err
		}
		for q.Pending() > 0 {
			o := q.Poll()
			if o == nil {
				var err error
				if o, err = q.Next(ctx); err != nil {
					return err
				}
			}
			if o.Err != nil {
				return o.Err
			}
		}
		if !bytes.Equal(data, got) {
			return fmt.Errorf("goroutine %d, round %d: other bytes", g, round)
		}
		again := &Op{Code: Read, FD: fd, Off: w.Off, Buf: got}
		if _, err := q.Submit(ctx, again); err != nil {
			return err
		}
		q.Cancel(again)
		if o, err := q.Next(ctx); err != nil || o.Err != nil && o.Err != unix.ECANCELED {
			return fmt.Errorf("cancelled: %v, %w", err, o.Err)
		}
	}
	return nil
}

// TestProducerConsumer submits in one goroutine and takes in others, of one
// queue.
func TestProducerConsumer(t *testing.T) {
	each(t, 5, func(t *testing.T, r *Ring) {
		const n = 600
		q := r.NewQueue()
		got := make(chan *Op, n)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for len(got) < n {
					if o, err := q.Next(ctx); err == nil {
						got <- o
					}
				}
			})
		}
		for i := range n {
			submit(t, q, &Op{Tag: i})
		}
		wg.Wait()
		seen := map[any]bool{}
		for range n {
			seen[(<-got).Tag] = true
		}
		if len(seen) != n {
			t.Errorf("%d of %d", len(seen), n)
		}
	})
}

// TestReuse uses an operation again and again, and refuses it while in flight.
func TestReuse(t *testing.T) {
	eachBlocking(t, 4, func(t *testing.T, r *Ring) {
		rd, wr := pipe(t)
		q := r.NewQueue()
		o := &Op{Code: Read, FD: rd, Off: -1, Buf: make([]byte, 3)}
		for range 3 {
			submit(t, q, o)
			for _, ops := range [][]*Op{{o}, {{}, o}} {
				if n, err := q.Submit(ctx, ops...); n != len(ops)-1 || !errors.Is(err, unix.EBUSY) {
					t.Errorf("twice in flight: %d, %v", n, err)
				}
			}
			if next(t, q) == o || q.Poll() != nil {
				t.Error("an empty pipe was read")
			}
			do(t, r, &Op{Code: Write, FD: wr, Off: -1, Buf: []byte("abc")})
			if next(t, q) != o || o.Err != nil || string(o.Buf) != "abc" {
				t.Errorf("%q, %v", o.Buf, o.Err)
			}
		}
		same := &Op{}
		if _, err := q.Submit(ctx, &Op{Link: true}, same); err != nil {
			t.Error(err)
		}
		same2 := &Op{Link: true}
		_, err := r.NewQueue().Submit(ctx, same2, same2)
		wantErr(t, "the same twice in a chain", err, unix.EBUSY)
		for q.Pending() > 0 {
			next(t, q)
		}
	})
}
