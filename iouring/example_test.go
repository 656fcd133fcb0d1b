package iouring_test

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// A file is copied with several blocks under way: each read is linked to the
// write of what it read, and a pair that has ended is used for the next block.
func ExampleQueue() {
	const block, depth, size = 1 << 16, 4, 20 << 16
	mem, err := unix.Mmap(-1, 0, depth*block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	check(err)
	defer unix.Munmap(mem)
	from, to := temporary(size), temporary(0)
	defer from.Close()
	defer to.Close()

	ctx := context.Background()
	ring, err := iouring.Open(iouring.Options{Window: 2 * depth})
	check(err)
	defer ring.Close()
	check(ring.RegisterBuffers([][]byte{mem}))
	q := ring.NewQueue()
	pair := func(off int64, buf []byte) {
		read := &iouring.Op{Code: iouring.Read, FD: int(from.Fd()), Off: off, Buf: buf, Link: true}
		write := &iouring.Op{Code: iouring.Write, FD: int(to.Fd()), Off: off, Buf: buf}
		_, err := q.Submit(ctx, read, write)
		check(err)
	}
	off := int64(0)
	for ; off < depth*block; off += block {
		pair(off, mem[off:off+block])
	}
	for q.Pending() > 0 {
		op, err := q.Next(ctx)
		check(err)
		check(op.Err)
		if op.Code == iouring.Write && off < size { // its buffer is ours again
			pair(off, op.Buf)
			off += block
		}
	}
	st, err := to.Stat()
	check(err)
	fmt.Println(st.Size())
	// Output: 1310720
}

func temporary(size int64) *os.File {
	f, err := os.CreateTemp("", "iouring-example-")
	check(err)
	check(os.Remove(f.Name()))
	check(f.Truncate(size))
	return f
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
