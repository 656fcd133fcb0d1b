package alloc

import (
	"testing"
)

// Tiers that share a file system have its free space together, not each; limits that leave enough of it add up.
func TestDisksCountOnce(t *testing.T) {
	free := func(s *Store) (size, free, left int64) {
		t.Helper()
		st, err := s.Statfs()
		ok(t, err)
		u := s.mem.usage()
		fs, err := s.spills[0].statfs(s.spills[0].dir, "")
		ok(t, err)
		return int64(st.Blocks)*st.Bsize - u.Mem, int64(st.Bavail)*st.Bsize - u.Free, int64(fs.Bavail) * fs.Bsize
	}
	const tiers, slack = 3, 1 << 30 // others write to the disk meanwhile
	cfg, _ := spillConfig(t, onShm, 16<<20, tiers)
	for i := range cfg.Spill {
		cfg.Spill[i].Size = 0 // as much as there is
	}
	s := openWith(t, cfg)
	if size, n, left := free(s); n > left+slack || size > left+slack || n < left*9/10-slack {
		t.Errorf("%d tiers on one disk that has %d bytes: size %d, free %d", tiers, left, size, n)
	}
	small, _ := spillConfig(t, onShm, 16<<20, tiers)
	for i := range small.Spill {
		small.Spill[i].Size = 1 << 20
	}
	s = openWith(t, small)
	b := keep(t, s, "a", noise(1, 300<<10))
	ok(t, b.Spill(ctx))
	size, n, _ := free(s)
	u := s.Tiers()[1]
	if want := int64(tiers << 20); size != want || n != want-u.Used || u.Used < 300<<10 {
		t.Errorf("%d tiers of 1 MiB: size %d, free %d, with %d in use", tiers, size, n, u.Used)
	}
	if st, err := s.Statfs(); err != nil || st.Bfree != st.Bavail {
		t.Errorf("%v: %d blocks are free, %d are available", err, st.Bfree, st.Bavail)
	}
}
