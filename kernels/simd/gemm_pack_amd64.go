//go:build amd64 && !noasm

package simd

func (p Ptr) byte() *byte { return (*byte)(p.p) }

// packPanelAsm packs the first steps of a panel and returns their number.
func packPanelAsm(dst Ptr, pitch int, src Ptr, lineStride, stepStride, lines, steps, elem int) int {
	isa := Active()
	side, along := lineStride == elem, stepStride == elem && elem < 16
	switch {
	case isa == Generic || lines == 0:
		return 0
	case side && isa == AVX512:
		for at := 0; at < pitch; at += 128 { // as much as a routine copies
			packCopyAVX512(dst.Add(at).byte(), pitch, src.inside(at, lines*elem).byte(), stepStride, steps, lanes4(lines*elem-at), lanes4(pitch-at))
		}
		return steps
	case along && isa == AVX512:
		packTrans512(dst, pitch, src, lineStride, lines, steps, elem)
		return steps
	case pitch > 64:
		return 0
	}
	// AVX2 stores whole vectors, which the next steps mend: the last ones are
	// left to others.
	steps -= (31 + pitch - (pitch-1)%32 - 1) / pitch
	switch {
	case steps <= 0:
		return 0
	case side:
		packCopy256(dst, pitch, src, stepStride, steps, lines*elem)
		return steps
	case along:
		return packTrans256(dst, pitch, src, lineStride, lines, steps, elem)
	}
	return 0
}

// packRowsAsm packs the first steps of panels and returns their number.
func packRowsAsm(dst Ptr, panel int, src Ptr, stepStride, width, n, steps int) (done int) {
	if Active() != AVX2 || width != 64 {
		return 0
	}
	for ; done+4 <= steps; done += 4 { // as many as a call copies
		packRowsAVX2(dst.Add(done*width).byte(), panel, src.Add(done*stepStride).byte(), stepStride, n)
	}
	return done
}

// inside is n bytes further on, or p if those are all of the size bytes there or more,
// and nothing is read: behind them may lie what is no memory of an operand's.
func (p Ptr) inside(n, size int) Ptr {
	if n >= size {
		return p
	}
	return p.Add(n)
}

// lanes4 is a mask of the 4-byte lanes that n bytes fill, of 32.
func lanes4(n int) uint64 { return 1<<(min(max(n, 0), 128)/4) - 1 }

// packCopy256 packs lines of n bytes that lie side by side.
func packCopy256(dst Ptr, pitch int, src Ptr, stepStride, steps, n int) {
	m0 := &laneMask[64-min(n, 32)]
	var m1 *byte
	if pitch > 32 {
		m1 = &laneMask[64-max(n-32, 0)]
	}
	packCopyAVX2(dst.byte(), pitch, src.byte(), stepStride, steps, m0, m1)
}

// packTrans512 packs lines that run along k, in vectors of lines from the
// last to the first.
func packTrans512(dst Ptr, pitch int, src Ptr, lineStride, lines, steps, elem int) {
	per := 64 / elem
	pack := packTrans32AVX512
	if elem == 8 {
		pack = packTrans64AVX512
	}
	for first := (pitch - 1) / 64 * per; first >= 0; first -= per {
		n := max(min(lines-first, per), 0)
		store := uint64(1)<<min(pitch/elem-first, per) - 1
		line := src
		if n > 0 {
			line = src.Add(first * lineStride)
		}
		pack(dst.Add(first*elem).byte(), pitch, line.byte(), lineStride, n, steps, store)
	}
}

// packTrans256 does so for vectors of 32 bytes and whole blocks of steps. What
// the later lines overwrite of the next step's first lines is written last.
func packTrans256(dst Ptr, pitch int, src Ptr, lineStride, lines, steps, elem int) int {
	per := 32 / elem
	pack := packTrans32AVX2
	if elem == 8 {
		pack = packTrans64AVX2
	}
	steps -= steps % per
	for first := (pitch - 1) / 32 * per; first >= 0 && steps > 0; first -= per {
		n := max(min(lines-first, per), 0)
		line := src
		if n > 0 {
			line = src.Add(first * lineStride)
		}
		pack(dst.Add(first*elem).byte(), pitch, line.byte(), lineStride, n, steps)
	}
	return steps
}

// packGroupsAsm packs the first whole groups and returns their number.
func packGroupsAsm(dst Ptr, pitch int, src Ptr, stepStride, lines, k int, f GroupForm) int {
	groups := k / f.group()
	switch isa := Active(); {
	case groups == 0:
		return 0
	case isa == AVX512:
		for at := 0; at < pitch; at += 128 {
			src := src.inside(at/4*f.size(), lines*f.size())
			groupsAVX512[f](dst.Add(at).byte(), pitch, src.byte(), stepStride, groups, lanes4(4*lines-at), lanes4(pitch-at))
		}
		return groups
	case isa == AVX2 && lines == 16 && pitch == 64:
		groupsAVX2[f](dst.byte(), pitch, src.byte(), stepStride, groups)
		return groups
	}
	return 0
}

var groupsAVX512 = [numForms]func(dst *byte, pitch int, src *byte, stepStride, steps int, load, store uint64){
	Pairs16: packPairs16AVX512, Quads8: packQuads8AVX512, PairsI8: packPairsI8AVX512, PairsU8: packPairsU8AVX512,
}

var groupsAVX2 = [numForms]func(dst *byte, pitch int, src *byte, stepStride, steps int){
	Pairs16: packPairs16AVX2, Quads8: packQuads8AVX2, PairsI8: packPairsI8AVX2, PairsU8: packPairsU8AVX2,
}
