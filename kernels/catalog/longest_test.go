package catalog

import (
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// longLines are lines of every family whose time goes to assembly. a and c are
// matrices, h is tall, w is wide, p is narrow, and v, z and i are vectors.
var longLines = []string{
	"gemm a:f32 a out", "gemm a:f64 a out", "gemm a:c64 a out", "gemm a:c128 a out", "gemm a:bf16 a out", "gemm a:i8 a out", "gemm a:f16 a out",
	"gemm a:f32 a out ta=t tb=t", "gemm a:f32 a out act=gelu", "gemm h:f32 s:f32 out", "gemm s:f32 w:f32 out", "gemm h:c128 s:c128 out",
	"gemm h:f32 p:f32 out", "dot v:f32 v", "dot v:c128 v",
	"fft z:c64 out", "fft z:c128 out", "fft c:c64 out", "fft y:c64 out",
	`map "r = exp(-x*x) + sin(x)" x=v:f32 r=out`, `map "r = tanh(x)" x=v:f64 r=out`, "cast v:f32 out dtype=bf16", "transpose a:f32 out", "transpose a:f64 out",
	"sum v:f32", "max v:f64", "sum a:f32 out axis=0", "argmax v:f32", "cumsum v:f64 out", "softmax a:f32 out", "sort i:i32 out", "sort v:f32 out",
}

// BenchmarkLongestCall gives quantiles of the time, in microseconds, that the
// runtime needs to stop a thread that computes: what is left of the call of
// assembly it is in, as assembly cannot be preempted. The line idle, pure Go, has
// what stopping takes anyway, on the machine as it is.
func BenchmarkLongestCall(b *testing.B) {
	b.Run("idle", func(b *testing.B) {
		stops(b, func() { runtime.KeepAlive(spin(1 << 20)) })
	})
	reg := Registry()
	var all []*kernels.Kernel
	for _, name := range reg.Names() {
		all = append(all, reg.Lookup(name))
	}
	for _, line := range longLines {
		b.Run(line, func(b *testing.B) {
			bare, operands := longOperands(line)
			j, err := kerneltest.Prepare(b, all, bare, operands)
			if err != nil {
				b.Fatal(err)
			}
			stops(b, func() {
				if err := j.Run(b.Context(), 1); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

//go:noinline
func spin(n int) (x int) {
	for i := range n {
		x ^= i
	}
	return x
}

// longOperands makes the operands that a line names as NAME:TYPE, and takes the
// types away.
func longOperands(line string) (bare string, operands map[string]ndarray.Array) {
	shapes := map[string][]int{
		"a": {1536, 1536}, "h": {4096, 512}, "s": {512, 512}, "w": {512, 4096}, "p": {512, 8},
		"c": {1024, 1024}, "y": {4096, 256}, "z": {1 << 21}, "v": {1 << 23}, "i": {1 << 22},
	}
	operands = map[string]ndarray.Array{}
	fields := strings.Fields(line)
	for n, f := range fields {
		at := strings.LastIndexAny(f, "=") + 1
		name, typ, ok := strings.Cut(f[at:], ":")
		if !ok {
			continue
		}
		d, err := ndarray.ParseDType(typ)
		if err != nil {
			panic(err)
		}
		a := ndarray.New(d, shapes[name]...)
		some := make([]float64, 1<<12)
		for i := range some {
			some[i] = float64(i*7919%15) - 7
		}
		for lo := 0; lo < a.Len(); lo += len(some) {
			ndarray.Store(a, some[:min(len(some), a.Len()-lo)], lo)
		}
		operands[name], fields[n] = a, f[:at]+name
	}
	return strings.Join(fields, " "), operands
}

// stops runs work again and again beside b.N stops of the world, some of them
// at any moment of it.
func stops(b *testing.B, work func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
				work()
			}
		}
	}()
	before := stopping()
	var m runtime.MemStats
	for i := 0; b.Loop(); i++ {
		time.Sleep(time.Duration(50+i*37%400) * time.Microsecond)
		runtime.ReadMemStats(&m)
	}
	close(done)
	<-ended
	after := stopping()
	for i := range after.Counts {
		after.Counts[i] -= before.Counts[i]
	}
	for name, q := range map[string]float64{"p50-µs": 0.5, "p90-µs": 0.9, "p99-µs": 0.99} {
		b.ReportMetric(1e6*quantile(after, q), name)
	}
	b.ReportMetric(0, "ns/op") // of the sleep
}

// stopping is the runtime's histogram of how long threads took to stop.
func stopping() *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: "/sched/pauses/stopping/other:seconds"}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	return &metrics.Float64Histogram{Counts: append([]uint64(nil), h.Counts...), Buckets: h.Buckets}
}

// quantile is the upper end of the bucket that has it.
func quantile(h *metrics.Float64Histogram, q float64) float64 {
	all := uint64(0)
	for _, n := range h.Counts {
		all += n
	}
	left := uint64(q * float64(all))
	for i, n := range h.Counts {
		if n > left {
			return h.Buckets[i+1]
		}
		left -= n
	}
	return 0
}
