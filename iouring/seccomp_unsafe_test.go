package iouring

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// childEnv makes the test binary a child that forbids itself io_uring with
// this errno, as a container does, and says what Open makes of it.
const childEnv = "IOURING_TEST_CHILD"

func child() int {
	var errno uint32
	if _, err := fmt.Sscan(os.Getenv(childEnv), &errno); err != nil {
		panic(err)
	}
	runtime.LockOSThread()
	if err := forbidSetup(errno); err != nil {
		fmt.Println(err)
		return 1
	}
	_, err := Open(Options{Backend: Uring})
	fmt.Println("uring:", err)
	r, err := Open(Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	kind, reason := r.Backend()
	fmt.Printf("auto: %s: %s\nprobe: %v\ndo: %v, close: %v\n", kind, reason, Probe(), r.Do(ctx, &Op{}), r.Close())
	return 0
}

// forbidSetup filters system calls of all threads.
func forbidSetup(errno uint32) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_IO_URING_SETUP},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | errno},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return e
	}
	return nil
}

// crippled is a kernel whose io_uring lacks an opcode.
func crippled(op uint8) *kernel {
	k := realKernel
	k.register = func(fd int, what uint32, arg unsafe.Pointer, n uint32) unix.Errno {
		errno := realKernel.register(fd, what, arg, n)
		if what == registerProbe {
			(*probe)(arg).ops[op].flags = 0
		}
		return errno
	}
	return &k
}

// refusing is a kernel that refuses one kind of registration.
func refusing(op uint32, with unix.Errno) *kernel {
	k := realKernel
	k.register = func(fd int, what uint32, arg unsafe.Pointer, n uint32) unix.Errno {
		if what == op {
			return with
		}
		return realKernel.register(fd, what, arg, n)
	}
	return &k
}

// sizes of what the kernel defines.
var sizes = []struct{ got, want uintptr }{
	{unsafe.Sizeof(sqe{}), 64}, {unsafe.Sizeof(cqe{}), 16}, {unsafe.Sizeof(params{}), 120}, {unsafe.Sizeof(probe{}), 16 + 256*8},
	{unsafe.Offsetof(sqe{}.userData), 32}, {unsafe.Offsetof(sqe{}.bufIndex), 40}, {unsafe.Offsetof(params{}.cqOff), 80},
}
