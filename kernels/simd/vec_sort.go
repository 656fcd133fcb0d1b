package simd

// Exchange is a comparator of a sorting network: it leaves the lesser of two
// elements at place A, the greater at B.
type Exchange struct{ A, B uint16 }

// SortingNetwork sorts n elements, 0 <= n <= 65536: Batcher's merge exchange (Knuth,
// The Art of Computer Programming 3, section 5.2.2, algorithm M), which has
// about n/4·log²n comparators.
func SortingNetwork(n int) (net []Exchange) {
	top := 1
	for 2*top < n {
		top *= 2
	}
	for p := top; p > 0; p /= 2 {
		q, r, d := top, 0, p
		for {
			for i := 0; i+d < n; i++ {
				if i&p == r {
					net = append(net, Exchange{uint16(i), uint16(i + d)})
				}
			}
			if q == p {
				break
			}
			d, q, r = q-p, q/2, p
		}
	}
	return net
}

// ColumnLanes is what the number of columns of [SortColumns] is a multiple of, for
// either type.
const ColumnLanes = 16

// SortColumns sorts the columns of a matrix by a network for its rows, of which
// row k begins at rows[k·columns]. columns is a multiple of [ColumnLanes].
//
// Cost: for each comparator two rows are read and written. They should fit the
// first-level cache.
func SortColumns[T int32 | int64](rows []T, columns int, net []Exchange) {
	if len(net) == 0 || columns <= 0 {
		return
	}
	last := uint16(0)
	for _, e := range net {
		last = max(last, e.A, e.B)
	}
	need((int(last)+1)*columns, len(rows))
	if columns%ColumnLanes != 0 {
		panic("simd: columns to sort that do not fill vectors")
	}
	step := max(1, callExchanges*ColumnLanes/columns)
	for ; len(net) > 0; net = net[min(step, len(net)):] {
		sortColumns(rows, columns, net[:min(step, len(net))])
	}
}

// callExchanges is how many comparators of one line a call does: some 10 µs.
const callExchanges = 8192

// sortColumnsGo is the twin.
func sortColumnsGo[T int32 | int64](rows []T, columns int, net []Exchange) {
	for _, e := range net {
		a := rows[int(e.A)*columns:][:columns]
		b := rows[int(e.B)*columns:][:columns]
		for i, v := range a {
			a[i], b[i] = min(v, b[i]), max(v, b[i])
		}
	}
}
