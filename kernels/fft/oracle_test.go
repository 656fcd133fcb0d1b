package fft

import (
	"math/bits"
	"sync"
)

// The oracle is a transform of any length in double-double arithmetic (106
// bits, errors below 1e-29): Bluestein's method over radix-2 passes of its own,
// which share nothing with the package but the series of the roots.

// exactPow2 holds the roots of a power-of-two transform.
type exactPow2 struct {
	n int
	w []cdd // exp(-2πi·k/n), k < n/2
}

var (
	exactTables   = map[int]*exactPow2{}
	exactTablesMu sync.Mutex // guards exactTables
)

func exactFor(n int) *exactPow2 {
	exactTablesMu.Lock()
	defer exactTablesMu.Unlock()
	p := exactTables[n]
	if p == nil {
		p = &exactPow2{n, make([]cdd, n/2)}
		r := newRoots(n)
		for k := range p.w {
			p.w[k] = r.exact(k)
		}
		exactTables[n] = p
	}
	return p
}

// down is the transform in place; the results come in the order of reversed
// bits (decimation in frequency).
func (p *exactPow2) down(x []cdd) {
	h := len(x) / 2
	if h == 0 {
		return
	}
	step := p.n / len(x)
	for k := range h {
		a, b := x[k], x[h+k]
		x[k], x[h+k] = a.add(b), a.sub(b).mul(p.w[k*step])
	}
	p.down(x[:h])
	p.down(x[h:])
}

// up undoes down, times n.
func (p *exactPow2) up(x []cdd) {
	h := len(x) / 2
	if h == 0 {
		return
	}
	p.up(x[:h])
	p.up(x[h:])
	step := p.n / len(x)
	for k := range h {
		w := p.w[k*step]
		a, b := x[k], x[h+k].mul(cdd{w.re, w.im.neg()})
		x[k], x[h+k] = a.add(b), a.sub(b)
	}
}

// exactTransform is the transform of interleaved numbers.
func exactTransform(x []float64) []cdd {
	n := len(x) / 2
	z := make([]cdd, n)
	for j := range z {
		z[j] = cdd{dd{x[2*j], 0}, dd{x[2*j+1], 0}}
	}
	if n&(n-1) == 0 {
		exactFor(n).down(z)
		out := make([]cdd, n)
		shift := 64 - bits.Len(uint(n-1))
		for k := range out {
			if n == 1 {
				out[0] = z[0]
				break
			}
			out[k] = z[bits.Reverse64(uint64(k))>>shift]
		}
		return out
	}
	m := 1 << bits.Len(uint(2*n-2))
	p, r := exactFor(m), newRoots(2*n)
	a, b := make([]cdd, m), make([]cdd, m)
	chirp := func(j int) cdd { return r.exact(j * j % (2 * n)) }
	for j := range n {
		c := chirp(j)
		a[j] = z[j].mul(c)
		c.im = c.im.neg()
		if b[j] = c; j > 0 {
			b[m-j] = c
		}
	}
	p.down(a)
	p.down(b)
	for i := range a {
		a[i] = a[i].mul(b[i])
	}
	p.up(a)
	scale := dd{1 / float64(m), 0} // a power of two
	for k := range z {
		y := a[k].mul(chirp(k))
		z[k] = cdd{y.re.mul(scale), y.im.mul(scale)}
	}
	return z
}
