package alloc

import (
	"testing"

	"golang.org/x/sys/unix"
)

// used is what a user's buffers are counted as.
func used(s *Store, uid uint32) int64 {
	for _, q := range s.Quotas() {
		if q.UID == uid {
			return q.Used
		}
	}
	return 0
}

func openQuota(t *testing.T, kind string, quota int64) (*Store, Config) {
	t.Helper()
	cfg, _ := spillConfig(t, kind, 16<<20, 1)
	cfg.Quota = quota
	return openWith(t, cfg), cfg
}

// Every way to grow ends at the quota with EDQUOT, changes nothing, and what is freed can be used again.
func TestQuota(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		const quota = 64 << 10
		s, _ := openQuota(t, kind, quota)
		uid := me().UID
		b := keep(t, s, "a", make([]byte, quota-4096))
		_, err := b.WriteAt(make([]byte, 5000), quota-4096)
		want(t, err, unix.EDQUOT)
		_, err = b.Append(make([]byte, 4097))
		want(t, err, unix.EDQUOT)
		want(t, b.Resize(quota+1), unix.EDQUOT)
		want(t, b.Allocate(0, quota+1, 0), unix.EDQUOT)
		if n, _ := b.Size(); n != quota-4096 || used(s, uid) != n {
			t.Errorf("%d bytes, %d used", n, used(s, uid))
		}
		ok(t, b.Spill(ctx))
		want(t, b.Resize(quota+1), unix.EDQUOT)
		ok(t, b.Resize(quota))
		ok(t, b.Promote(ctx, false))
		p, err := s.Prepare("b", 4096)
		ok(t, err)
		want(t, p.Publish(me(), "b", 0o600), unix.EDQUOT)
		ok(t, b.Resize(100))
		ok(t, p.Publish(me(), "b", 0o600))
		p.Release()
		if got := used(s, uid); got != 8192 {
			t.Errorf("%d used", got)
		}
		p, err = s.Prepare("b", quota-4096) // instead of what is there
		ok(t, err)
		ok(t, p.Publish(me(), "b", 0o600))
		ok(t, b.Resize(0))
		ok(t, p.Resize(quota))
		ok(t, s.Unlink("b"))
		if got := used(s, uid); got != quota {
			t.Errorf("%d used by what is held", got)
		}
		p.Release()
		if got := used(s, uid); got != 0 {
			t.Errorf("%d used", got)
		}
	})
}

// chown moves what is used, to who has room; links count once; what clients write themselves is counted in the end; a start counts anew.
func TestQuotaOwners(t *testing.T) {
	s, cfg := openQuota(t, spillKinds()[0], 64<<10)
	put(t, s, "a", big[:40<<10])
	ok(t, s.Link("a", "b"))
	uid := me().UID
	if got := used(s, uid); got != 40<<10 {
		t.Errorf("%d used", got)
	}
	b := get(t, s, "a")
	b.Hold()
	ok(t, unix.Ftruncate(b.Fd(), 100<<10))
	b.Unhold()
	if got := used(s, uid); got != 100<<10 {
		t.Errorf("%d used", got)
	}
	ok(t, b.Resize(50<<10))
	ok(t, b.Spill(ctx))
	b.Release()
	if uid == 1000 { // we are root
		c, _, err := s.Create(Cred{UID: 7}, "c", 0o600, true)
		ok(t, err)
		ok(t, c.Resize(20<<10))
		want(t, s.Chown("a", 7, -1), unix.EDQUOT)
		ok(t, c.Resize(1))
		ok(t, s.Chown("a", 7, -1))
		if got := used(s, 7); got != 56<<10 {
			t.Errorf("%d used", got)
		}
		c.Release()
		ok(t, s.Chown("c", 0, -1))
		uid = 7
	}
	before := s.Quotas()
	ok(t, s.Close(true))
	s = openWith(t, cfg)
	if got := s.Quotas(); len(got) != len(before) || got[0] != before[0] || used(s, uid) != 52<<10 {
		t.Errorf("%v, before %v", got, before)
	}
}
