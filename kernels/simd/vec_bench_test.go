package simd

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// BenchmarkVector times every routine on arrays that fit the second-level cache.
func BenchmarkVector(b *testing.B) {
	const n = 8192
	for _, r := range tables() {
		args, bytes := ordinaryArgs(r, n)
		name := r.name
		if strings.Contains(name, "F32") || strings.Contains(name, "F64") {
			b.Run(name, func(b *testing.B) {
				b.SetBytes(int64(bytes))
				f := reflect.ValueOf(r.fn)
				for b.Loop() {
					f.Call(args)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/elem")
			})
		}
	}
}

// ordinaryArgs makes r's operands, and the destination, of n elements each, none of them special.
func ordinaryArgs(r routine, n int) (args []reflect.Value, bytes int) {
	typ := reflect.TypeOf(r.fn)
	args = make([]reflect.Value, typ.NumIn())
	for i := range args {
		if typ.In(i).Kind() != reflect.Slice {
			args[i] = reflect.Zero(typ.In(i))
			continue
		}
		args[i] = reflect.MakeSlice(typ.In(i), n, n)
		bytes += n * int(typ.In(i).Elem().Size())
		for j := range n {
			if e := args[i].Index(j); e.CanFloat() {
				e.SetFloat(0.01 + float64(j%97)/50)
			}
		}
	}
	return args, bytes
}

// BenchmarkLongestCall looks for the routine whose call of the assembly takes longest, of the fastest of some
// calls of each: the runtime cannot stop a goroutine for so long.
func BenchmarkLongestCall(b *testing.B) {
	for isa := AVX2; isa <= Best(); isa++ {
		b.Run(isa.String(), func(b *testing.B) {
			defer func() { active.Store(int32(Best())) }()
			active.Store(int32(isa))
			longest, name := time.Duration(0), ""
			for b.Loop() {
				for _, r := range tables() {
					args, _ := ordinaryArgs(r, chunk)
					f, took := reflect.ValueOf(r.fn), time.Hour
					for range 10 {
						start := time.Now()
						f.Call(args)
						took = min(took, time.Since(start))
					}
					if took > longest {
						longest, name = took, r.name
					}
				}
			}
			b.ReportMetric(longest.Seconds()*1e6, "µs")
			b.Logf("%s: %v", name, longest)
		})
	}
}

// BenchmarkIndex times searches to the end of 16 KiB.
func BenchmarkIndex(b *testing.B) {
	b.Run("f32", benchmarkIndex[float32])
	b.Run("i8", benchmarkIndex[int8])
}

func benchmarkIndex[T Number](b *testing.B) {
	x := make([]T, 16384/sizeOf[T]())
	x[len(x)-1] = 1
	b.SetBytes(16384)
	for b.Loop() {
		Index(x, 1)
	}
}

// BenchmarkSums times sums of f32 in blocks of 4096, from the second-level cache.
func BenchmarkSums(b *testing.B) {
	x := make([]float32, 1<<17)
	for i := range x {
		x[i] = float32(i%17) - 3
	}
	for name, f := range map[string]func(x []float32) float64{
		"sum": SumF32, "squares": SumSquaresF32, "dot": func(x []float32) float64 { return DotF32(x, x) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				for i := 0; i < len(x); i += 4096 {
					f(x[i : i+4096])
				}
			}
		})
	}
}
