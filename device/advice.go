package device

import (
	"fmt"
	"syscall"
)

// Advice is what a client says of how it will use a buffer, after madvise(2)
// and posix_fadvise(2): the attribute user.vgpu.advice.
type Advice string

// The advices.
const (
	AdviceNone       Advice = ""
	AdviceSequential Advice = "sequential" // once more from front to back: not worth keeping afterwards
	AdviceWillNeed   Advice = "willneed"   // soon: it is brought into memory
	AdviceDontNeed   Advice = "dontneed"   // not soon: it leaves first
)

// parseAdvice reads the value of the attribute. EINVAL if it is none.
func parseAdvice(s string) (Advice, error) {
	switch a := Advice(s); a {
	case AdviceNone, AdviceSequential, AdviceWillNeed, AdviceDontNeed:
		return a, nil
	}
	return "", fmt.Errorf("advice %q: sequential, willneed or dontneed: %w", s, syscall.EINVAL)
}

// spare is how gladly a buffer is given up, by what its owner said.
func (a Advice) spare() int {
	switch a {
	case AdviceDontNeed:
		return 2
	case AdviceSequential:
		return 1
	}
	return 0
}
