package simd

import (
	"reflect"
	"strings"
	"testing"
)

// BenchmarkVector times every routine on arrays that fit the second-level cache.
func BenchmarkVector(b *testing.B) {
	const n = 8192
	for _, r := range tables() {
		typ := reflect.TypeOf(r.fn)
		args := make([]reflect.Value, typ.NumIn())
		bytes := 0
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
