//go:build !amd64 || noasm

package simd

func packPanelAsm(dst Ptr, pitch int, src Ptr, lineStride, stepStride, lines, steps, elem int) int {
	return 0
}

func packGroupsAsm(dst Ptr, pitch int, src Ptr, stepStride, lines, k int, f GroupForm) int { return 0 }

func packRowsAsm(dst Ptr, panel int, src Ptr, stepStride, width, n, steps int) int { return 0 }
