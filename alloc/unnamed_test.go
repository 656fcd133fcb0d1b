package alloc

import (
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a descriptor can change of a file it can change after the name is gone, in memory and on a spill tier.
func TestUnnamedMetadata(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		for _, spilled := range []bool{false, true} {
			s, _ := openSpilling(t, kind, 16<<20, 1)
			b := keep(t, s, "a", noise(1, 10000))
			if spilled {
				ok(t, b.Spill(ctx))
			}
			ok(t, s.Unlink("a"))
			ok(t, b.Chmod(0o4601))
			if os.Geteuid() == 0 {
				ok(t, b.Chown(12, 34))
			} else {
				ok(t, b.Chown(-1, -1))
			}
			at, mt := time.Unix(1e9, 7), time.Unix(-5, 2)
			ok(t, b.Utimens(&at, &mt))
			ok(t, b.Utimens(nil, nil))
			st, err := b.Stat()
			ok(t, err)
			if st.Nlink != 0 || st.Atim.Nano() != at.UnixNano() || st.Mtim.Nano() != mt.UnixNano() {
				t.Errorf("spilled %v: %+v", spilled, st)
			}
			if os.Geteuid() == 0 && (st.Uid != 12 || st.Gid != 34 || st.Mode&0o7777 != 0o601) { // chown(2) takes the bit away
				t.Errorf("spilled %v: %+v", spilled, st)
			}
			if exists(t, s, "a") {
				t.Error("it has a name again")
			}
			holds(t, b, noise(1, 10000))
		}
	})
}

func TestUnnamedXattr(t *testing.T) {
	s := openStore(t, onPlain, 1<<20) // every file system of tests has them there, which older tmpfs have not
	b := keep(t, s, "a", nil)
	ok(t, s.Unlink("a"))
	if err := b.Setxattr("user.x", []byte("value"), 0); err == unix.EOPNOTSUPP {
		t.Logf("no attributes here: %v", err)
		return
	} else {
		ok(t, err)
	}
	p := make([]byte, 9)
	n, err := b.Getxattr("user.x", p)
	ok(t, err)
	names, err := b.Listxattr()
	ok(t, err)
	if string(p[:n]) != "value" || !slices.Equal(names, []string{"user.x"}) {
		t.Errorf("%q %q", p[:n], names)
	}
	_, err = b.Getxattr("user.x", p[:2])
	want(t, err, unix.ERANGE)
	want(t, b.Setxattr("user.x", nil, unix.XATTR_CREATE), unix.EEXIST)
	ok(t, b.Removexattr("user.x"))
	want(t, b.Removexattr("user.x"), unix.ENODATA)
	for _, name := range []string{"security.x", "trusted.x", ""} {
		want(t, b.Setxattr(name, nil, 0), unix.EOPNOTSUPP)
	}
}

// A new owner pays for what has no name too, or it stays as it was.
func TestUnnamedQuota(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root gives files away")
		return
	}
	s, _ := openQuota(t, spillKinds()[0], 64<<10)
	other := keep(t, s, "b", noise(2, 40<<10))
	ok(t, s.Chown("b", 7, -1))
	b := keep(t, s, "a", noise(1, 40<<10))
	ok(t, s.Unlink("a"))
	want(t, b.Chown(7, -1), unix.EDQUOT)
	if st, err := b.Stat(); err != nil || st.Uid == 7 || used(s, 7) != 40<<10 {
		t.Errorf("%+v %v, %d used", st, err, used(s, 7))
	}
	ok(t, other.Resize(0))
	ok(t, b.Chown(7, -1))
	if used(s, 7) != 40<<10 {
		t.Errorf("%d used", used(s, 7))
	}
}

// An error of a system call changes nothing, and is told.
func TestUnnamedFaults(t *testing.T) {
	s, faults := openFaulty(t, onPlain, 1<<20)
	b := keep(t, s, "a", nil)
	for op, call := range map[string]func() error{
		"fchmod": func() error { return b.Chmod(0) }, "fchown": func() error { return b.Chown(-1, -1) }, "futimens": func() error { return b.Utimens(nil, nil) },
		"fstat": func() error { return b.Chown(-1, -1) }, "flistxattr": func() error { _, err := b.Listxattr(); return err },
	} {
		faults.arm(func(got, _ string) error {
			if got == op {
				return unix.EIO
			}
			return nil
		})
		want(t, call(), unix.EIO)
		faults.disarm()
	}
}
