package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"vgpu/kernels/simd"
	"vgpu/tools/peers/internal/race"
)

// printRows writes the table, and the mean against OpenBLAS over the squares. best
// is the multiply-add loop's in its best millisecond, peak what it does in samples
// as everybody's, which the shares are of. A ratio's error says which of them can be told
// from others.
func printRows(w io.Writer, rows []row) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "GFLOP/s\tvgpu\topenblas\tblis\tonednn\tbest\tpeak\tshare\tratio\t\taim\t\t\n")
	var squares []float64
	met := 0
	for _, r := range rows {
		fmt.Fprintf(tw, "%s\t%.1f\t%s\t%s\t%s\t%.1f\t%.1f\t%.1f%%\t%.3f\t%s\t%s\t%s\t\n", r.Point, r.Gflops,
			number(r.Peers["openblas"]), number(r.Peers["blis"]), number(r.Peers["onednn"]), r.Best, r.Peak, 100*r.Share, r.Ratio, plusMinus(r.Error), r.aim(), yesNo(r.Met))
		if o := r.Peers["openblas"]; o > 0 && r.AimPeak > 0 && r.AimPeer > 0 {
			squares = append(squares, r.Gflops/o)
		}
		if r.Met {
			met++
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	mean := ""
	if len(squares) > 0 {
		mean = fmt.Sprintf("; %.3f of OpenBLAS in the geometric mean of %d squares (aim 1.05)", race.Geomean(squares), len(squares))
	}
	_, err := fmt.Fprintf(w, "%d of %d aims met%s\n", met, len(rows), mean)
	return err
}

func number(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", x)
}

// plusMinus is an error beside the figure that has it.
func plusMinus(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("±%.3f", x)
}

func yesNo(ok bool) string {
	if ok {
		return "yes"
	}
	return "NO"
}

// aim is what a row is held against.
func (r *row) aim() string {
	var out []string
	if r.AimPeak > 0 {
		out = append(out, fmt.Sprintf("%.0f%%", 100*r.AimPeak))
	}
	if r.AimPeer > 0 {
		out = append(out, fmt.Sprintf("%.2fx", r.AimPeer))
	}
	return strings.Join(out, " ")
}

// saveJSON writes rows with what they were measured on; no file, nothing.
func saveJSON(file string, rows any) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(map[string]any{"time": time.Now().UTC().Truncate(time.Second), "isa": simd.Active().String(), "rows": rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
