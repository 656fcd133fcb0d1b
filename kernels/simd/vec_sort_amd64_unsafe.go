//go:build amd64 && !noasm

package simd

import "unsafe"

// sortColumns does the exchanges, of which there is one at least.
func sortColumns[T int32 | int64](rows []T, columns int, net []Exchange) {
	pairs, stride := &net[0].A, columns*sizeOf[T]()
	first := unsafe.Pointer(&rows[0])
	switch wide := sizeOf[T]() == 8; {
	case Active() == Generic:
		sortColumnsGo(rows, columns, net)
	case Active() == AVX512 && wide:
		sortColumns64AVX512((*int64)(first), stride, stride/64, pairs, len(net))
	case Active() == AVX512:
		sortColumns32AVX512((*int32)(first), stride, stride/64, pairs, len(net))
	case wide:
		sortColumns64AVX2((*int64)(first), stride, stride/64, pairs, len(net))
	default:
		sortColumns32AVX2((*int32)(first), stride, stride/64, pairs, len(net))
	}
}
