package order

// sortFew sorts at most smallSort-1 keys without a branch on the data: eights
// by a network, then merges of equal runs. Keys are filled up with the
// greatest key to a power of two.
func sortFew[K word](keys []K) {
	n := len(keys)
	var a, b [smallSort - 1]K
	m := 8
	for m < n {
		m *= 2
	}
	copy(a[:], keys)
	for i := n; i < m; i++ {
		a[i] = ^K(0)
	}
	for i := 0; i < m; i += 8 {
		network((*[8]K)(a[i:]))
	}
	src, dst := a[:m], b[:m]
	for run := 8; run < m; run *= 2 {
		for lo := 0; lo < m; lo += 2 * run {
			mergeEqual(dst[lo:lo+2*run], src[lo:lo+2*run])
		}
		src, dst = dst, src
	}
	copy(keys, src)
}

// network sorts eight keys with Batcher's 19 comparators (odd-even merge sort;
// Knuth, The Art of Computer Programming 3, section 5.3.4).
func network[K word](v *[8]K) {
	v[0], v[1] = min(v[0], v[1]), max(v[0], v[1])
	v[2], v[3] = min(v[2], v[3]), max(v[2], v[3])
	v[4], v[5] = min(v[4], v[5]), max(v[4], v[5])
	v[6], v[7] = min(v[6], v[7]), max(v[6], v[7])
	v[0], v[2] = min(v[0], v[2]), max(v[0], v[2])
	v[1], v[3] = min(v[1], v[3]), max(v[1], v[3])
	v[4], v[6] = min(v[4], v[6]), max(v[4], v[6])
	v[5], v[7] = min(v[5], v[7]), max(v[5], v[7])
	v[1], v[2] = min(v[1], v[2]), max(v[1], v[2])
	v[5], v[6] = min(v[5], v[6]), max(v[5], v[6])
	v[0], v[4] = min(v[0], v[4]), max(v[0], v[4])
	v[1], v[5] = min(v[1], v[5]), max(v[1], v[5])
	v[2], v[6] = min(v[2], v[6]), max(v[2], v[6])
	v[3], v[7] = min(v[3], v[7]), max(v[3], v[7])
	v[2], v[4] = min(v[2], v[4]), max(v[2], v[4])
	v[3], v[5] = min(v[3], v[5]), max(v[3], v[5])
	v[1], v[2] = min(v[1], v[2]), max(v[1], v[2])
	v[3], v[4] = min(v[3], v[4]), max(v[3], v[4])
	v[5], v[6] = min(v[5], v[6]), max(v[5], v[6])
}

// mergeEqual merges the two sorted halves of src into dst. The lower half of
// the result is taken from the front, the upper from the back; since the runs
// are equally long, neither end can run out of keys on the way.
func mergeEqual[K word](dst, src []K) {
	half := len(src) / 2
	i, j := 0, half
	p, q := half-1, len(src)-1
	for k := range half {
		x, y := src[i], src[j]
		step := 0
		if y < x {
			step = 1
		}
		dst[k] = min(x, y)
		i += 1 - step
		j += step
		x, y = src[p], src[q]
		step = 0
		if y < x {
			step = 1
		}
		dst[len(src)-1-k] = max(x, y)
		p -= step
		q -= 1 - step
	}
}
