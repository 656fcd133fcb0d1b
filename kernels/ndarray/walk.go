package ndarray

import (
	"encoding/binary"
	"math/bits"
)

// walk visits the elements of a layout in C order, row by row of its inner
// axis once collapsed.
type walk struct {
	Layout       // collapsed, of rank 1 at least
	index  []int // of the current row, without the inner axis
	row    int   // byte where the current row begins
	pos    int   // element of the row that comes next
	buf    [MaxRank]int
}

// init starts the walk at element from.
func (w *walk) init(l Layout, from int) {
	if len(l.Shape) > 1 {
		l = l.Collapse()
	}
	if len(l.Shape) == 0 {
		l.Shape, l.Strides = []int{1}, []int{l.DType.Size()}
	}
	w.Layout = l
	inner := len(l.Shape) - 1
	w.index = w.buf[:inner]
	w.row = l.Offset
	w.pos = from % max(l.Shape[inner], 1)
	from /= max(l.Shape[inner], 1)
	for i := inner - 1; i >= 0; i-- {
		w.index[i] = from % l.Shape[i]
		w.row += w.index[i] * l.Strides[i]
		from /= l.Shape[i]
	}
}

// next gives the elements left in the row, at most n of them: where they
// begin, their stride, and how many.
func (w *walk) next(n int) (off, stride, count int) {
	inner := len(w.Shape) - 1
	stride = w.Strides[inner]
	return w.row + w.pos*stride, stride, min(n, w.Shape[inner]-w.pos)
}

// advance goes on by n elements, at most to the start of the next row.
func (w *walk) advance(n int) {
	inner := len(w.Shape) - 1
	if w.pos += n; w.pos < w.Shape[inner] {
		return
	}
	w.pos = 0
	for i := inner - 1; i >= 0; i-- {
		w.row += w.Strides[i]
		if w.index[i]++; w.index[i] < w.Shape[i] {
			return
		}
		w.row -= w.index[i] * w.Strides[i]
		w.index[i] = 0
	}
}

// directRun is the shortest run of packed elements that is worth a call of
// its own rather than a place in the gathered chunk.
const directRun = 16

// chunk holds elements between memory and registers, aligned for every type.
type chunk [256]complex128

const chunkBytes = len(chunk{}) * 16

func (c *chunk) bytes() []byte { return bytesOf(c[:]) }

// gather packs the next n elements of data into dst, in native byte order.
func (w *walk) gather(dst, data []byte, n int) {
	size := w.DType.Size()
	for n > 0 {
		off, stride, count := w.next(n)
		if stride == size && (!w.Swapped || size == 1) {
			copy(dst[:count*size], data[off:])
		} else {
			gatherRow(dst, data, off, stride, count, w.DType, w.Swapped)
		}
		dst = dst[count*size:]
		w.advance(count)
		n -= count
	}
}

func gatherRow(dst, data []byte, off, stride, n int, d DType, swapped bool) {
	switch d.Size() {
	case 1:
		for i := range dst[:n] {
			dst[i] = data[off+i*stride]
		}
	case 2:
		dst := view[uint16](dst, n)
		for i := range dst {
			dst[i] = get16(data[off+i*stride:], swapped)
		}
	case 4:
		dst := view[uint32](dst, n)
		for i := range dst {
			dst[i] = get32(data[off+i*stride:], swapped)
		}
	case 8:
		dst := view[uint64](dst, n)
		for i := range dst {
			v := get64(data[off+i*stride:], swapped)
			if d == C64 && swapped {
				v = bits.RotateLeft64(v, 32)
			}
			dst[i] = v
		}
	case 16:
		dst := view[uint64](dst, 2*n)
		for i := range n {
			b := data[off+i*stride:]
			dst[2*i], dst[2*i+1] = get64(b, swapped), get64(b[8:], swapped)
		}
	}
}

// scatter is the reverse of gather.
func (w *walk) scatter(data, src []byte, n int) {
	size := w.DType.Size()
	for n > 0 {
		off, stride, count := w.next(n)
		if stride == size && (!w.Swapped || size == 1) {
			copy(data[off:], src[:count*size])
		} else {
			scatterRow(data, src, off, stride, count, w.DType, w.Swapped)
		}
		src = src[count*size:]
		w.advance(count)
		n -= count
	}
}

func scatterRow(data, src []byte, off, stride, n int, d DType, swapped bool) {
	switch d.Size() {
	case 1:
		for i, v := range src[:n] {
			data[off+i*stride] = v
		}
	case 2:
		for i, v := range view[uint16](src, n) {
			put16(data[off+i*stride:], v, swapped)
		}
	case 4:
		for i, v := range view[uint32](src, n) {
			put32(data[off+i*stride:], v, swapped)
		}
	case 8:
		for i, v := range view[uint64](src, n) {
			if d == C64 && swapped {
				v = bits.RotateLeft64(v, 32)
			}
			put64(data[off+i*stride:], v, swapped)
		}
	case 16:
		src := view[uint64](src, 2*n)
		for i := range n {
			b := data[off+i*stride:]
			put64(b, src[2*i], swapped)
			put64(b[8:], src[2*i+1], swapped)
		}
	}
}

func get16(b []byte, swapped bool) uint16 {
	if v := binary.LittleEndian.Uint16(b); !swapped {
		return v
	}
	return binary.BigEndian.Uint16(b)
}

func get32(b []byte, swapped bool) uint32 {
	if v := binary.LittleEndian.Uint32(b); !swapped {
		return v
	}
	return binary.BigEndian.Uint32(b)
}

func get64(b []byte, swapped bool) uint64 {
	if v := binary.LittleEndian.Uint64(b); !swapped {
		return v
	}
	return binary.BigEndian.Uint64(b)
}

func put16(b []byte, v uint16, swapped bool) {
	if swapped {
		v = bits.ReverseBytes16(v)
	}
	binary.LittleEndian.PutUint16(b, v)
}

func put32(b []byte, v uint32, swapped bool) {
	if swapped {
		v = bits.ReverseBytes32(v)
	}
	binary.LittleEndian.PutUint32(b, v)
}

func put64(b []byte, v uint64, swapped bool) {
	if swapped {
		v = bits.ReverseBytes64(v)
	}
	binary.LittleEndian.PutUint64(b, v)
}
