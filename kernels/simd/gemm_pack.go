package simd

// Packing puts a panel of a matrix, up to MR rows of A or NR columns of B, in
// the order in which a micro-kernel reads it: all its elements at step 0, then
// at step 1, and so on. Here "line" is a row of A or a column of B.

// PackPanel writes steps x lines packed elements of elem bytes (4, 8, 16) to
// dst:
//
//	dst[p·pitch + i·elem] = src[i·lineStride + p·stepStride]
//
// and fills the rest of each pitch with zeros. pitch is a multiple of elem.
// Nothing beyond the last pitch is written.
func PackPanel(dst Ptr, pitch int, src Ptr, lineStride, stepStride, lines, steps, elem int) {
	if steps == 0 {
		return
	}
	done := packPanelAsm(dst, pitch, src, lineStride, stepStride, lines, steps, elem)
	if done < steps {
		packPanelGo(dst.Add(done*pitch), pitch, src.Add(done*stepStride), lineStride, stepStride, lines, steps-done, elem)
	}
}

func packPanelGo(dst Ptr, pitch int, src Ptr, lineStride, stepStride, lines, steps, elem int) {
	switch elem {
	case 4:
		packLines[uint32](dst, pitch, src, lineStride, stepStride, lines, steps)
	case 8:
		packLines[uint64](dst, pitch, src, lineStride, stepStride, lines, steps)
	case 16:
		packLines[[2]uint64](dst, pitch, src, lineStride, stepStride, lines, steps)
	}
}

func packLines[T any](dst Ptr, pitch int, src Ptr, lineStride, stepStride, lines, steps int) {
	size := sizeOf[T]()
	for i := range lines {
		d, s := dst.Add(i*size), src.Add(i*lineStride)
		for p := range steps {
			Put(d.Add(p*pitch), At[T](s.Add(p*stepStride)))
		}
	}
	var zero T
	for at := lines * size; at < pitch; at += size {
		for p := range steps {
			Put(dst.Add(p*pitch+at), zero)
		}
	}
}

// PackRows packs whole panels of lines that lie side by side, row by row as they lie in
// memory: n panels, of rows of width bytes, are panel bytes apart.
//
//	dst[q·panel + p·width + x] = src[p·stepStride + q·width + x], x < width
func PackRows(dst Ptr, panel int, src Ptr, stepStride, width, n, steps int) {
	for p := packRowsAsm(dst, panel, src, stepStride, width, n, steps); p < steps; p++ {
		for q := range n {
			copy(Vector[byte](dst.Add(q*panel+p*width), width), Vector[byte](src.Add(p*stepStride+q*width), width))
		}
	}
}

// PackGroups packs lines that lie side by side (lineStride is the size of a
// value) in groups of neighbours along k, each widened to 32 / group bits:
//
//	dst[p·pitch + 4·i] = the values src[i], at steps group·p, group·p + 1, ...
//
// The values are of 8 bits (group 2: widened with or without sign; group 4:
// as they are) or of 16 bits (group 2). The last group is filled with zeros
// if k is no multiple of group; lines up to pitch / 4 are zeros.
func PackGroups(dst Ptr, pitch int, src Ptr, stepStride, lines, k int, f GroupForm) {
	done := packGroupsAsm(dst, pitch, src, stepStride, lines, k, f)
	packGroupsGo(dst, pitch, src, stepStride, lines, done, k, f)
}

// packGroupsGo packs from group first on.
func packGroupsGo(dst Ptr, pitch int, src Ptr, stepStride, lines, first, k int, f GroupForm) {
	group, width := f.group(), 32/f.group()
	for p := first; p*group < k; p++ {
		for i := range pitch / 4 {
			var word uint32
			for q := 0; q < group && p*group+q < k && i < lines; q++ {
				word |= f.load(src.Add((p*group+q)*stepStride), i) << (q * width)
			}
			Put(dst.Add(p*pitch+4*i), word)
		}
	}
}

// GroupForm says what PackGroups reads and makes.
type GroupForm uint8

// The forms.
const (
	Pairs16  GroupForm = iota // 16-bit values, pairs
	Quads8                    // 8-bit values, quadruples
	PairsI8                   // i8 values, pairs of i16
	PairsU8                   // u8 values, pairs of i16
	numForms = iota
)

func (f GroupForm) group() int {
	if f == Quads8 {
		return 4
	}
	return 2
}

// size is the bytes of a value.
func (f GroupForm) size() int {
	if f == Pairs16 {
		return 2
	}
	return 1
}

// load reads value i, widened to the form's width.
func (f GroupForm) load(at Ptr, i int) uint32 {
	switch f {
	case Pairs16:
		return uint32(At[uint16](at.Add(2 * i)))
	case PairsI8:
		return uint32(uint16(At[int8](at.Add(i))))
	}
	return uint32(At[uint8](at.Add(i)))
}
