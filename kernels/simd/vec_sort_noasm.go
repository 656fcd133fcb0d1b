//go:build !amd64 || noasm

package simd

func sortColumns[T int32 | int64](rows []T, columns int, net []Exchange) {
	sortColumnsGo(rows, columns, net)
}
