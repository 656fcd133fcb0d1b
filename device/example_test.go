package device_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"vgpu/alloc"
	"vgpu/device"
	"vgpu/kernels/catalog"
)

// A program uses a device with no mount: its buffers are the files below a
// directory, and what it writes are the lines of a client.
func Example() {
	dir, err := os.MkdirTemp("", "vgpu-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	d, err := device.Open(device.Config{
		Name:     "example",
		Registry: catalog.Registry(),
		Store:    alloc.Config{Plain: dir, Mem: 64 << 20},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close(ctx, true)

	// A synchronous session returns from Write when all its jobs have ended,
	// with the first failure as its error. Their answers can then be read.
	me := device.Cred{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	s := d.Queue(device.RunQueue).Open(me, device.SessionOptions{Sync: true})
	if _, err := s.Write(ctx, []byte("arange x.npy start=0 stop=10\nmap \"y = x*x\" x=x.npy y=y.npy\nsum y.npy\n")); err != nil {
		log.Fatal(err)
	}
	answer := make([]byte, 4096)
	answer = answer[:s.Read(answer)]
	fmt.Print(lastLine(answer))

	// A queue takes lines and returns at once; Wait tells when they are done.
	q, err := d.MakeQueue(me, "nightly", 0o755)
	if err != nil {
		log.Fatal(err)
	}
	w := q.OpenWait()
	if _, err := q.Open(me, device.SessionOptions{}).Write(ctx, []byte("sort y.npy z.npy\n")); err != nil {
		log.Fatal(err)
	}
	if _, err := w.Read(ctx, answer[:0], false); err != nil {
		log.Fatal(err)
	}
	for _, j := range q.Jobs() {
		fmt.Println(j.Line, "is", j.Snapshot().State)
	}
	_, err = os.Stat(filepath.Join(dir, "z.npy"))
	fmt.Println(err)

	// A mistake is an error of Write, and changes nothing.
	_, err = s.Write(ctx, []byte("sum nothing.npy\n"))
	fmt.Println(device.ErrnoName(device.Errno(err)))
	// Output:
	// 285
	// sort y.npy z.npy is done
	// <nil>
	// ENOENT
}

func lastLine(text []byte) string {
	lines := string(text)
	for i := len(lines) - 2; i >= 0; i-- {
		if lines[i] == '\n' {
			return lines[i+1:]
		}
	}
	return lines
}
