//go:build !amd64 || noasm

package simd

// Never called in this build, whose level is Generic.
var (
	countZeros512, countZeros256 countFunc
	find                         findFuncs
)
