package tests

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// edquot is what clients print of EDQUOT.
const edquot = "Disk quota exceeded"

// quotaUsed is what a user's buffers are counted as, in stat and in metrics.
func (d *dev) quotaUsed(who *syscall.Credential) int64 {
	d.t.Helper()
	used := d.field("stat", fmt.Sprintf("quota.%d.used", who.Uid))
	if used == "" {
		return 0
	}
	n := d.number(fmt.Sprintf("quota.%d.used", who.Uid))
	if key := fmt.Sprintf(`vgpu_quota_used_bytes{uid="%d"}`, who.Uid); d.field("metrics", key) == "" {
		d.t.Errorf("no %s in\n%s", key, d.read("metrics"))
	}
	return n
}

// A user's buffers are bounded, wherever their bytes are and however they come
// to be; others and root are not touched by it, and what is freed can be used
// again.
func TestSpillQuota(t *testing.T) {
	needRoot(t, "acting as another user")
	inModes(t, func(t *testing.T, d *dev) {
		d.may(alice, "umask 022; head -c 3M /dev/zero > buffers/a; head -c 1M /dev/zero > buffers/b")
		if got := d.quotaUsed(alice); got != 4<<20 {
			t.Errorf("%d used", got)
		}
		for _, grow := range []string{
			"head -c 1 /dev/zero > buffers/c", "echo x >> buffers/b", "truncate -s 2M buffers/b", "fallocate -l 2M buffers/b",
			"cp buffers/a buffers/c", "dd if=/dev/zero of=buffers/b bs=64K count=2 oflag=append conv=notrunc",
		} {
			d.mayNot(alice, grow, edquot)
		}
		if data := d.bytes("b"); len(data) != 1<<20 || d.quotaUsed(alice) != 4<<20 {
			t.Errorf("%d bytes, %d used", len(data), d.quotaUsed(alice))
		}
		d.may(bob, "head -c 4M /dev/zero > buffers/bobs; rm buffers/bobs")
		// What a client appends to the file itself (passthrough) is counted when it closes it, and may be beyond.
		d.as(alice, "dd if=/dev/zero of=buffers/b bs=64K count=2 seek=16 conv=notrunc")
		size := int64(len(d.bytes("b")))
		d.eventually("it is counted", func() bool { return d.quotaUsed(alice) == 3<<20+size })
		d.mayNot(alice, "echo x >> buffers/b", edquot)
		d.may(alice, "rm -f buffers/c; truncate -s 10 buffers/b; head -c 960K /dev/zero > buffers/c; rm buffers/b buffers/c")
		d.eventually("what is gone is free", func() bool { return d.quotaUsed(alice) == 3<<20 }) // once the last handle is
		// The output of a job is its writer's.
		d.mayNot(alice, "echo 'fill x.npy shape=300000 value=1 dtype=f32' > run", edquot)
		if text := d.read("errors"); !strings.Contains(text, "x.npy") || !strings.Contains(text, "quota") {
			t.Errorf("the errors do not say why:\n%s", text)
		}
		if _, err := os.Stat(d.path("buffers/x.npy")); err == nil {
			t.Error("there is an output")
		}
		d.may(alice, "echo 'fill x.npy shape=200000 value=1 dtype=f32' > run; rm buffers/x.npy")
		d.eventually("the output is gone", func() bool { return d.quotaUsed(alice) == 3<<20 })
		// Bytes on a spill tier count: root's array has alice's leave memory.
		d.run("fill roots.npy shape=3500000 value=1 dtype=f32")
		if d.tier("a") != "spill0" || d.quotaUsed(alice) != 3<<20 {
			t.Errorf("%s, %d used", d.tier("a"), d.quotaUsed(alice))
		}
		if root, limit := d.field("stat", "quota.0.limit"), d.number(fmt.Sprintf("quota.%d.limit", alice.Uid)); root != "" || d.number("quota.0.used") < 14e6 || limit != 4<<20 {
			t.Errorf("the limit of root is %q, of alice %d", root, limit)
		}
		d.mayNot(alice, "truncate -s 5M buffers/a", edquot)
		d.may(alice, "truncate -s 4M buffers/a")
		// Nobody is given more than he may have.
		wantErrno(t, "chown", os.Chown(d.path("buffers/roots.npy"), int(bob.Uid), -1), syscall.EDQUOT)
		must(t, os.Chown(d.path("buffers/a"), int(bob.Uid), -1))
		if a, b := d.quotaUsed(alice), d.quotaUsed(bob); a != 0 || b != 4<<20 {
			t.Errorf("%d and %d used", a, b)
		}
		d.mayNot(bob, "echo x >> buffers/a", edquot)
		// A restart counts anew.
		d.kill()
		d.restart()
		if got := d.quotaUsed(bob); got != 4<<20 {
			t.Errorf("%d used", got)
		}
		d.mayNot(bob, "echo x >> buffers/a", edquot)
		d.may(bob, "rm -f buffers/a")
		d.eventually("nothing is left", func() bool { return d.quotaUsed(bob) == 0 })
		d.may(bob, "head -c 4M /dev/zero > buffers/b")
	}, spillFlags(t, "16M", "256M", "--quota", "4M")...)
}
