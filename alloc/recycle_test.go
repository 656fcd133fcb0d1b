package alloc

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// whole makes an output as a job does: prepared, marked, published, written, and settled to the mark.
func whole(t *testing.T, s *Store, rel string, p []byte, end *Mark) (stale bool, ino uint64) {
	t.Helper()
	o, err := s.PrepareWhole(rel, int64(len(p)))
	ok(t, err)
	defer o.Release()
	ok(t, o.SetMark(job))
	ok(t, o.Publish(me(), rel, 0o640))
	stale = o.stale.Load()
	if m, marked := o.Mark(); !marked || m.Stale != stale {
		t.Errorf("stale %v, mark %+v", stale, m)
	}
	if end == nil {
		_, err = o.WriteAt(p, 0)
		ok(t, err)
	}
	ok(t, o.SettleMark(job.Job, end))
	if end == nil {
		holds(t, o.Buffer, p)
	}
	return stale, o.Ino()
}

// The file of an output that is replaced, or removed, is the next output; it has nothing of the old one but the pages.
func TestRecycle(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		p := noise(20, 1<<20)
		first, ino := whole(t, s, "a", p, nil)
		ok(t, ignore(s.Setxattr("a", "user.secret", []byte("x"), 0), unix.EOPNOTSUPP))
		second, _ := whole(t, s, "a", noise(21, 1<<20), nil) // the first goes to the pool now
		if u := s.Tiers()[0]; first || second || u.Recycled != 1<<20 || u.Used >= 2<<20 {
			t.Errorf("stale %v %v, %+v", first, second, u)
		}
		want := noise(22, 1<<20-100)
		third, again := whole(t, s, "b", want, nil)
		if !third || again != ino || s.Tiers()[0].Recycled != 0 {
			t.Errorf("stale %v, inode %d, was %d", third, again, ino)
		}
		st, err := s.Lstat("b")
		ok(t, err)
		if names, _ := s.Listxattr("b"); len(names) != 0 || st.Mode&0o7777 != 0o640 || st.Uid != me().UID || st.Size != int64(len(want)) || st.Nlink != 1 {
			t.Errorf("attributes %v, %+v", names, st)
		}
		b := get(t, s, "b")
		ok(t, s.Unlink("b")) // while it is held
		if st, err := b.Stat(); err != nil || st.Nlink != 0 || b.Path() != "" {
			t.Errorf("unlinked: %+v %v", st, err)
		}
		holds(t, b, want)
		b.Release()
		if u := s.Tiers()[0]; u.Recycled != 1<<20 {
			t.Errorf("%+v", u)
		}
		checkStore(t, s)
	})
}

// What is recycled is seen by nobody if the job does not end done, nor where there is no mark, nor after the daemon was killed.
func TestRecycledIsWiped(t *testing.T) {
	kind := spillKinds()[0]
	cfg, _ := spillConfig(t, kind, 32<<20, 1)
	s := openWith(t, cfg)
	const n = 512 << 10
	secret := bytes.Repeat([]byte("secret"), n/6+1)[:n]
	clean := func(what, rel string) {
		t.Helper()
		if got := text(t, s, rel); len(got) != n || bytes.Contains([]byte(got), []byte("secret")) {
			t.Errorf("%s: %d bytes, and the secret is in them", what, len(got))
		}
	}
	refill := func() {
		t.Helper()
		whole(t, s, "s", secret, nil)
		ok(t, s.Unlink("s"))
		if s.Tiers()[0].Recycled < n {
			t.Fatal("nothing to recycle")
		}
	}
	s.pool.on.Store(true)
	refill()
	whole(t, s, "failed", make([]byte, n), &Mark{State: Bad, Job: job.Job})
	clean("failed", "failed")

	refill()
	o, err := s.PrepareWhole("mapped", n)
	ok(t, err)
	ok(t, o.SetMark(job))
	m, err := o.Map()
	ok(t, err)
	ok(t, o.Publish(me(), "mapped", 0o600))
	ok(t, o.SettleMark(job.Job, &Mark{State: Bad, Job: job.Job}))
	clean("failed while mapped", "mapped")
	m.Close()
	o.Release()

	refill()
	o, err = s.PrepareWhole("unmarked", n)
	ok(t, err)
	ok(t, o.Publish(me(), "unmarked", 0o600))
	o.Release()
	clean("unmarked", "unmarked")

	refill()
	o, err = s.PrepareWhole("forgotten", n)
	ok(t, err)
	ok(t, o.SetMark(job))
	ok(t, o.Publish(me(), "forgotten", 0o600))
	o.Release()
	clean("given up", "forgotten")

	for _, spill := range []bool{false, true} {
		refill()
		o, err = s.PrepareWhole("killed", n)
		ok(t, err)
		ok(t, o.SetMark(job))
		ok(t, o.Publish(me(), "killed", 0o600))
		if spill {
			ok(t, o.Spill(ctx))
		}
		s.abandon()
		s = openWith(t, cfg)
		s.pool.on.Store(true)
		if m, marked := s.MarkOf("killed"); !marked || m.State != Bad || m.Stale {
			t.Errorf("mark %+v", m)
		}
		clean("killed", "killed")
		ok(t, s.Unlink("killed"))
		checkStore(t, s)
	}
}

// What is kept goes as soon as somebody needs the memory: a buffer that grows, scratch, or clients while the device is idle.
func TestRecycledGivesWay(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		fill := func() {
			t.Helper()
			s.pool.on.Store(true)
			whole(t, s, "a", make([]byte, 2<<20), nil)
			ok(t, s.Unlink("a"))
			if u := s.Tiers()[0]; u.Recycled != 2<<20 || s.Usage().Used > 1<<20 {
				t.Fatalf("%+v, %+v", u, s.Usage())
			}
		}
		fill()
		b := keep(t, s, "b", nil)
		ok(t, b.Resize(15<<20))
		if s.Tiers()[0].Recycled != 0 {
			t.Error("kept under pressure")
		}
		ok(t, b.Resize(0))
		fill()
		a, err := s.NewArena(13 << 20)
		ok(t, err)
		if s.Tiers()[0].Recycled != 0 {
			t.Error("kept under pressure")
		}
		a.Close()
		fill()
		whole(t, s, "c", make([]byte, 3<<20), nil) // larger than what there is
		ok(t, s.Unlink("c"))                       // more than an eighth
		if got := s.Tiers()[0].Recycled; got > 2<<20 {
			t.Errorf("%d bytes are kept", got)
		}
		ok(t, b.Resize(13<<20))
		s.drain()
		if s.Tiers()[0].Recycled != 0 {
			t.Error("kept when it was asked for")
		}
		checkStore(t, s)
	})
}
