package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vgpu/device"
)

// svgText reads a picture as XML and returns its texts.
func svgText(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out strings.Builder
	for d := xml.NewDecoder(f); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := tok.(xml.CharData); ok {
			out.Write(text)
			out.WriteByte('\n')
		}
	}
}

func TestRoofline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.svg")
	point := func(label string, double bool, flops, bytes, gflops float64) reportPoint {
		return reportPoint{label, double, benchResult{Flops: flops, Bytes: bytes, Gflops: gflops}}
	}
	points := []reportPoint{
		point("gemm 64", false, 1e6, 1e5, 90), point("gemm 128", false, 1e7, 1e5, 100), point("gemm 64", true, 1e6, 2e5, 45),
		point("sum", false, 1, 4, 5), point("copy", false, 0, 8, 0),
	}
	if err := saveRoofline(file, "a machine", device.Peaks{Flops32: 110e9, Flops64: 55e9, Bandwidth: 20e9}, points); err != nil {
		t.Fatal(err)
	}
	text := svgText(t, file)
	for _, want := range []string{"a machine", "gemm 64\n", "\n128\n", "sum\n", "f32: peak 110 GFLOP/s, copying 20 GB/s", "f64: peak 55 GFLOP/s", "GFLOP/s"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the picture:\n%s", want, text)
		}
	}
	if strings.Contains(text, "copy\n") {
		t.Error("what has no operations is in the picture")
	}
	if err := saveRoofline(file, "empty", device.Peaks{Flops32: 1e9, Flops64: 1e9, Bandwidth: 1e9}, nil); err != nil {
		t.Errorf("a picture of the roofs alone: %v", err)
	}
	if err := saveRoofline(filepath.Join(file, "x.svg"), "", device.Peaks{Flops32: 1e9, Flops64: 1e9, Bandwidth: 1e9}, nil); err == nil {
		t.Error("a picture below a file")
	}
}

func TestBenchReport(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := filepath.Join(t.TempDir(), "report")
	o, lines := &benchOptions{report: dir, reps: 1}, reportLines()[:3]
	var out bytes.Buffer
	if err := writeReport(t.Context(), o, lines, &out); err != nil || strings.Count(out.String(), "\n") != len(lines)+1 {
		t.Fatalf("%v:\n%s", err, out.String())
	}
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	var r struct {
		Machine string
		Points  []reportPoint
	}
	if err = errors.Join(err, json.Unmarshal(text, &r)); err != nil || len(r.Points) != len(lines) || r.Machine == "" {
		t.Fatalf("%v: %s", err, text)
	}
	for _, p := range r.Points {
		if p.Flops <= 0 || p.Gflops <= 0 || p.intensity() <= 0 {
			t.Errorf("%s: %+v", p.Label, p)
		}
	}
	svgText(t, filepath.Join(dir, "roofline.svg"))
	lines[1].line = "nosuch"
	if err := writeReport(t.Context(), o, lines, &out); err == nil || !strings.Contains(err.Error(), "nosuch: ") {
		t.Errorf("a line that fails: %v", err)
	}
	if code, _ := status(t, "bench", "--report", dir, "nop"); code != exitUsage {
		t.Errorf("a command beside --report: status %d", code)
	}
}
