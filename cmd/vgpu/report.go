package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	_ "gonum.org/v1/plot/vg/vgsvg" // the format of the picture

	"vgpu/device"
)

// reportLine is a command of the report, and what it is called in the picture.
type reportLine struct{ label, line string }

// products begins the labels of square products, which a line joins in the
// picture; their sizes stand beside it.
const products = "gemm "

// reportLines are those of the report: products from small to large, and what
// is bound by memory. Arrays are beyond the caches except in small products.
func reportLines() (list []reportLine) {
	for _, d := range []string{"f32", "f64"} {
		for _, n := range []int{32, 64, 128, 256, 512, 1024, 2048} {
			list = append(list, reportLine{fmt.Sprint(products, n), fmt.Sprintf("gemm a:%s:%dx%d b:%s:%dx%d c", d, n, n, d, n, n)})
		}
		list = append(list,
			reportLine{"gemv 8192", fmt.Sprintf("gemm a:%s:8192x8192 b:%s:8192 c", d, d)},
			reportLine{"sum", fmt.Sprintf("sum a:%s:33554432", d)},
			reportLine{"map x*x+y", fmt.Sprintf(`map "z = x*x + y" x=a:%s:16777216 y=b:%s:16777216 z=c`, d, d)},
			reportLine{"map exp(-x*x)+sin(y)", fmt.Sprintf(`map "z = exp(-x*x) + sin(y)" x=a:%s:16777216 y=b:%s:16777216 z=c`, d, d)},
			reportLine{"softmax", fmt.Sprintf("softmax a:%s:4096x4096 c", d)},
			reportLine{"fft 2^22", fmt.Sprintf("fft a:%s:4194304 c", map[string]string{"f32": "c64", "f64": "c128"}[d])},
		)
	}
	return list
}

// reportPoint is a line measured.
type reportPoint struct {
	Label  string `json:"label"`
	Double bool   `json:"double"` // computed in f64
	benchResult
}

// intensity is operations a byte, each operand counted once.
func (p *reportPoint) intensity() float64 { return p.Flops / p.Bytes }

// writeReport measures lines and writes DIR/report.json and
// DIR/roofline.svg.
func writeReport(ctx context.Context, o *benchOptions, lines []reportLine, out io.Writer) error {
	if err := os.MkdirAll(o.report, 0o755); err != nil {
		return err
	}
	peaks, title, err := reportMachine(ctx, o)
	if err != nil {
		return err
	}
	var points []reportPoint
	for _, l := range lines {
		one := *o
		r, err := benchLine(ctx, &one, l.line)
		if err != nil {
			return fmt.Errorf("%s: %w", l.line, err)
		}
		p := reportPoint{l.label, strings.Contains(l.line, ":f64:") || strings.Contains(l.line, ":c128:"), r}
		points = append(points, p)
		if _, err := fmt.Fprintf(out, "%-22s %-3s  %10s  %8.1f GFLOP/s  %7.2f GB/s\n", p.Label, precision(p.Double), duration(r.Seconds.Median), r.Gflops, r.Bytes/r.Seconds.Median/1e9); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(map[string]any{"machine": title, "peaks": peaks, "points": points}, "", "  ")
	if err != nil {
		return err
	}
	picture := filepath.Join(o.report, "roofline.svg")
	err = errors.Join(
		os.WriteFile(filepath.Join(o.report, "report.json"), append(text, '\n'), 0o644),
		saveRoofline(picture, title, peaks, points),
	)
	if err == nil {
		_, err = fmt.Fprintln(out, picture)
	}
	return err
}

// precision is the name of a roof.
func precision(double bool) string {
	if double {
		return "f64"
	}
	return "f32"
}

// reportMachine measures the ceilings and describes what was measured on.
func reportMachine(ctx context.Context, o *benchOptions) (peaks device.Peaks, title string, err error) {
	r := o.runOptions
	r.dir = os.TempDir()
	dev, err := openPlain(&r)
	if err != nil {
		return peaks, "", err
	}
	defer func() { err = errors.Join(err, dev.Close(cancelled(), true)) }()
	if err := dev.Measure(ctx); err != nil {
		return peaks, "", err
	}
	peaks, _ = dev.Peaks()
	cpu := ""
	for _, f := range dev.Info() {
		if f.Key == "cpu" {
			cpu = fmt.Sprint(f.Value)
		}
	}
	return peaks, fmt.Sprintf("%s, %s, threads: %d", cpu, dev.ISA(), dev.Pool().Threads()), nil
}

// Colours of the two precisions: told apart in grey as well.
var (
	colour32 = color.RGBA{R: 0x1f, G: 0x5f, B: 0xa8, A: 0xff}
	colour64 = color.RGBA{R: 0xd0, G: 0x6a, B: 0x1b, A: 0xff}
)

// saveRoofline draws the points under their roofs (Williams, Waterman and
// Patterson, "Roofline", CACM 52(4), 2009): the rate against the operations a
// byte, both on logarithmic axes.
func saveRoofline(file, title string, peaks device.Peaks, points []reportPoint) error {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text, p.Y.Label.Text = "operations a byte (each operand counted once)", "GFLOP/s"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xe4}, color.Gray{0xe4}
	p.Add(grid)
	p.Legend.Left, p.Legend.Top = true, true
	p.Legend.TextStyle.Font.Size, p.Legend.Padding = vg.Points(9), vg.Points(3)
	x0, x1 := 0.05, 1000.0
	y0 := 0.4
	for _, pt := range points {
		if pt.Flops > 0 {
			x0, x1 = min(x0, pt.intensity()/1.5), max(x1, pt.intensity()*1.5)
			y0 = min(y0, pt.Gflops/1.5)
		}
	}
	for _, double := range []bool{false, true} {
		if err := addPrecision(p, double, peaks, points, x0, x1); err != nil {
			return err
		}
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = x0, x1, y0, 3*max(peaks.Flops32, peaks.Flops64)/1e9
	return p.Save(26*vg.Centimeter, 17*vg.Centimeter, file)
}

// addPrecision draws a roof and the points under it.
func addPrecision(p *plot.Plot, double bool, peaks device.Peaks, points []reportPoint, x0, x1 float64) error {
	peak, c, shape := peaks.Flops32/1e9, colour32, draw.GlyphDrawer(draw.CircleGlyph{})
	if double {
		peak, c, shape = peaks.Flops64/1e9, colour64, draw.PyramidGlyph{}
	}
	bandwidth := peaks.Bandwidth / 1e9
	ridge := peak / bandwidth
	roof, err := plotter.NewLine(plotter.XYs{{X: x0, Y: bandwidth * x0}, {X: ridge, Y: peak}, {X: max(x1, ridge), Y: peak}})
	if err != nil {
		return err
	}
	roof.Color, roof.Width = c, vg.Points(1.5)
	p.Add(roof)
	p.Legend.Add(fmt.Sprintf("%s: peak %.0f GFLOP/s, copying %.0f GB/s", precision(double), peak, bandwidth), roof)
	labels, squares := labelsOf(points, double)
	if len(labels.XYs) == 0 {
		return nil
	}
	if len(squares) > 1 {
		join, err := plotter.NewLine(squares)
		if err != nil {
			return err
		}
		join.Color, join.Width = c, vg.Points(0.6)
		p.Add(join)
	}
	marks, err := plotter.NewScatter(labels.XYs)
	if err != nil {
		return err
	}
	marks.Color, marks.Shape, marks.Radius = c, shape, vg.Points(3)
	p.Add(marks)
	return addLabels(p, labels, c, double)
}

// labelsOf are the points of a precision with their labels, and those of the
// square products in a row: of them all but the first are labelled by size
// alone. Lines without flops (copies) have no place on a logarithmic axis.
func labelsOf(points []reportPoint, double bool) (labels plotter.XYLabels, squares plotter.XYs) {
	for _, pt := range points {
		if pt.Double != double || pt.Flops <= 0 {
			continue
		}
		at, label := plotter.XY{X: pt.intensity(), Y: pt.Gflops}, pt.Label
		if size, ok := strings.CutPrefix(label, products); ok {
			if squares = append(squares, at); len(squares) > 1 {
				label = size
			}
		}
		labels.XYs, labels.Labels = append(labels.XYs, at), append(labels.Labels, label)
	}
	return labels, squares
}

// addLabels writes the names beside the points: f32 above and to the left,
// f64 below and to the right.
func addLabels(p *plot.Plot, labels plotter.XYLabels, c color.Color, double bool) error {
	names, err := plotter.NewLabels(labels)
	if err != nil {
		return err
	}
	for i := range names.TextStyle {
		s := &names.TextStyle[i]
		s.Font.Size, s.Color = vg.Points(7), c
		s.XAlign, s.YAlign = text.XRight, text.YBottom
		if double {
			s.XAlign, s.YAlign = text.XLeft, text.YTop
		}
	}
	names.Offset = vg.Point{X: -vg.Points(3), Y: vg.Points(3)}
	if double {
		names.Offset = vg.Point{X: vg.Points(3), Y: -vg.Points(3)}
	}
	p.Add(names)
	return nil
}
