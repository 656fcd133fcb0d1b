package main

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	_ "gonum.org/v1/plot/vg/vgimg" // PNG
	_ "gonum.org/v1/plot/vg/vgsvg" // SVG

	"vgpu/kernels/ndarray"
)

// picture is how a matrix is shown.
type picture struct {
	title, xLabel, yLabel string
	xStep, yStep          float64
	rows                  int
	decibels              float64
	down, gray            bool
}

// write draws the matrix of an NPY file.
func (p *picture) write(in, out string) error {
	m, err := readMatrix(in)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	if p.rows > 0 {
		m.rows = min(p.rows, m.rows)
	}
	p.scale(m)
	g := &grid{m, p}
	lo, hi := g.limits()
	colors := palette.Palette(moreland.ExtendedBlackBody().Palette(255))
	if p.gray {
		colors = grays(255)
	}
	h := plotter.NewHeatMap(g, colors)
	h.Rasterized, h.Min, h.Max = true, lo, hi
	h.NaN = color.Black
	pic := plot.New()
	pic.Title.Text, pic.X.Label.Text, pic.Y.Label.Text = p.title, p.xLabel, p.yLabel
	pic.X.Padding, pic.Y.Padding = 0, 0
	pic.Add(h)
	width, height := 20*vg.Centimeter, 12*vg.Centimeter
	if p.gray { // a photograph
		pic.HideAxes()
		height = width * vg.Length(m.rows) / vg.Length(m.cols)
	}
	return pic.Save(width, height, filepath.Clean(out))
}

// scale turns powers into decibels below the largest.
func (p *picture) scale(m *matrix) {
	if p.decibels == 0 {
		return
	}
	most := 0.0
	for _, v := range m.v[:m.rows*m.cols] {
		most = max(most, v)
	}
	for i, v := range m.v[:m.rows*m.cols] {
		m.v[i] = max(10*math.Log10(v/most), -p.decibels)
	}
}

// grays are shades from black to white.
type grays int

func (n grays) Colors() []color.Color {
	out := make([]color.Color, n)
	for i := range out {
		out[i] = color.Gray{uint8(i * 255 / (int(n) - 1))}
	}
	return out
}

// matrix is rows of numbers.
type matrix struct {
	rows, cols int
	v          []float64
}

func readMatrix(path string) (*matrix, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	l, err := ndarray.ParseNPY(text)
	if err != nil {
		return nil, err
	}
	if l.Rank() != 2 || l.DType.IsComplex() || l.Len() == 0 {
		return nil, errors.New("not a matrix of real numbers: " + l.String())
	}
	a := ndarray.Array{Layout: l, Data: text}
	if err := a.Check(); err != nil {
		return nil, err
	}
	m := &matrix{l.Shape[0], l.Shape[1], make([]float64, l.Len())}
	ndarray.Load(m.v, a, 0)
	return m, nil
}

// grid is a matrix in the plotter's coordinates.
type grid struct {
	*matrix
	p *picture
}

func (g *grid) Dims() (c, r int) { return g.cols, g.rows }
func (g *grid) X(c int) float64  { return float64(c) * g.p.xStep }
func (g *grid) Y(r int) float64  { return float64(r) * g.p.yStep }
func (g *grid) Z(c, r int) float64 {
	if g.p.down {
		r = g.rows - 1 - r
	}
	return g.v[r*g.cols+c]
}

// limits are the least and the largest number; a matrix of one value has a
// range around it.
func (g *grid) limits() (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, v := range g.v[:g.rows*g.cols] {
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo == hi {
		hi++
	}
	return lo, hi
}
