package device

import "vgpu/alloc"

func tierOf(b *alloc.Buffer) string {
	if t, ok := any(b).(interface{ Tier() string }); ok {
		return t.Tier()
	}
	if b.Resident() {
		return "ram"
	}
	return "spill0"
}

func prepareSpilled(s *alloc.Store, rel string, n int64) (*alloc.Prepared, error) {
	if t, ok := any(s).(interface {
		PrepareSpilled(string, int64) (*alloc.Prepared, error)
	}); ok {
		return t.PrepareSpilled(rel, n)
	}
	return s.Prepare(rel, n)
}
