//go:build !amd64 || noasm

package simd

var detected detection
