package scratch

// Slab is memory that the phases of a run have one after the other. It
// implements kernels.Memory, for one goroutine.
type Slab struct {
	buf  []byte
	used int
}

// NewSlab lends pieces of buf.
func NewSlab(buf []byte) *Slab { return &Slab{buf: buf[:len(buf):len(buf)]} }

// Reset takes back all that was lent.
func (s *Slab) Reset() { s.used = 0 }

// Alloc lends n bytes, and takes as many as Round(n). It panics if there are not
// so many left.
func (s *Slab) Alloc(n int) []byte {
	at := s.used
	s.used += Round(n)
	return s.buf[at : at+n : at+n]
}
