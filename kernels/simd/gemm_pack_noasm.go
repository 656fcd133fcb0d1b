//go:build !amd64 || noasm

package simd

func packPanelAsm(dst Ptr, pitch int, src Ptr, lineStride, stepStride, lines, steps, elem int) bool {
	return false
}

func packGroupsAsm(dst Ptr, pitch int, src Ptr, stepStride, lines, k int, f GroupForm) int { return 0 }
