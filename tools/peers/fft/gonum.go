package main

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"

	"vgpu/kernels/pool"
)

// gonum is gonum's dsp/fourier in this process: f64, one axis, one thread.
type gonum struct {
	side
}

func (g *gonum) name() string { return "gonum" }

// plan makes the plan of a point; ok is false where gonum has no transform.
func (g *gonum) plan(dtype string, p point, threads int) (seconds float64, ok bool, err error) {
	if dtype != "f64" || len(p.dims) != 1 || threads != 1 {
		return 0, false, nil
	}
	run := gonumComplex
	if p.real {
		run = gonumReal
	}
	f := run(p)
	g.run = func(*pool.Worker) error {
		f()
		return nil
	}
	return 0, true, nil
}

func gonumComplex(p point) func() {
	n := p.size()
	t := fourier.NewCmplxFFT(n)
	src, dst := make([]complex128, n*p.batch), make([]complex128, n*p.batch)
	for i := range src {
		src[i] = complex(math.Sin(float64(2*i)), math.Sin(float64(2*i+1)))
	}
	return func() {
		for i := 0; i < len(src); i += n {
			t.Coefficients(dst[i:i+n], src[i:i+n])
		}
	}
}

func gonumReal(p point) func() {
	n := p.size()
	t, half := fourier.NewFFT(n), n/2+1
	src, dst := make([]float64, n*p.batch), make([]complex128, half*p.batch)
	for i := range src {
		src[i] = math.Sin(float64(i))
	}
	return func() {
		for i := range p.batch {
			t.Coefficients(dst[i*half:(i+1)*half], src[i*n:(i+1)*n])
		}
	}
}
