package device

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"vgpu/kernels"
)

// limits are what every command takes beside its kernel's own options.
type limits struct {
	timeout time.Duration // of running; 0: none
	threads int           // workers at most; 0: all
	memory  int64         // bytes of operands in memory and of scratch at most; 0: the device's
}

// CommonOptions are the keys that every command takes.
var CommonOptions = []kernels.OptionSpec{
	{Name: "timeout", Kind: kernels.KindFloat, Help: "Seconds the job may run; past them it ends as timedout."},
	{Name: "threads", Kind: kernels.KindInt, Help: "Workers the job may use at once; the result has the same bits for any number."},
	{Name: "maxmem", Kind: kernels.KindString, Help: "Memory at most, such as 512M or 512MiB, for what the job uses of its operands and for its scratch; it is streamed if it needs more, or ENOMEM."},
}

// parseLimits reads a command's timeout=, threads= and maxmem=; EINVAL with the
// caret under the option for what is out of range.
func parseLimits(c *kernels.Call) (l limits, err error) {
	if o := c.Opt("timeout"); o.Set {
		sec := c.Float("timeout")
		if !(sec > 0) || sec > math.MaxInt64/1e9 {
			return l, o.Errorf("a positive number of seconds, not %s", o.Text)
		}
		l.timeout = time.Duration(sec * 1e9)
	}
	if o := c.Opt("threads"); o.Set {
		if l.threads = c.Int("threads"); l.threads < 1 {
			return l, o.Errorf("at least 1, not %s", o.Text)
		}
	}
	if o := c.Opt("maxmem"); o.Set {
		if l.memory, err = ParseSize(o.Text); err == nil && l.memory <= 0 {
			err = errors.New("a size of 0; leave it out for what the device has")
		}
		if err != nil {
			return l, o.Errorf("%v", err)
		}
	}
	return l, nil
}

// sizeForms says how sizes are written.
const sizeForms = "bytes, or with K, M, G or T, or KiB, MiB, GiB or TiB, which are powers of 1024, such as 8G"

// ParseSize reads a number of bytes with an optional binary suffix K, M, G or T,
// which may be followed by iB, such as 512M, 1.5G or 32MiB. KB, MB and the like
// are refused: to some they are powers of 1000.
func ParseSize(s string) (int64, error) {
	num, unit, shift := s, "", 0
	if i := strings.IndexAny(s, "KMGTkmgt"); i >= 0 {
		num, unit, shift = s[:i], s[i+1:], 10*(1+strings.Index("KMGT", strings.ToUpper(s[i:i+1])))
	}
	switch v, err := strconv.ParseFloat(num, 64); {
	case err != nil || v < 0 || math.IsNaN(v):
	case strings.EqualFold(unit, "B"):
		letter := strings.ToUpper(s[len(num) : len(num)+1])
		return 0, fmt.Errorf("bad size %q: %sB may be a power of 1000 or of 1024; write %s%s or %s%siB for the latter", s, letter, num, letter, num, letter)
	case unit != "" && !strings.EqualFold(unit, "iB"), v*float64(int64(1)<<shift) >= math.MaxInt64:
	default:
		return int64(v * float64(int64(1)<<shift)), nil
	}
	return 0, fmt.Errorf("bad size %q: %s", s, sizeForms)
}
