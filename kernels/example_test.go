package kernels_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"vgpu/kernels"
	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// negate is a whole kernel: Y = -X for arrays of f64.
var negate = &kernels.Kernel{
	Name: "negate", Synopsis: "negate X Y", Summary: "change the sign of every element",
	MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Plan: func(c *kernels.Call) (*kernels.Plan, error) {
		in := &c.In[0]
		if in.Layout.DType != ndarray.F64 {
			return nil, in.Errorf("%s is not f64", in.Path)
		}
		n := in.Layout.Len()
		return &kernels.Plan{
			Out:  []kernels.OutSpec{{DType: ndarray.F64, Shape: in.Layout.Shape}},
			Cost: kernels.Cost{Flops: float64(n), Bytes: float64(16 * n)},
			Run: func(x *kernels.Exec) error {
				return x.W.For(n, 1024, func(_ *pool.Worker, lo, hi int) {
					part := make([]float64, hi-lo)
					ndarray.Load(part, x.In[0], lo)
					for i := range part {
						part[i] = -part[i]
					}
					ndarray.Store(x.Out[0], part, lo)
				})
			},
		}, nil
	},
}

// The life of a call, from a line of text to numbers.
func Example() {
	registry := kernels.NewRegistry([]*kernels.Kernel{negate})
	line, err := command.Parse("negate x[::-1] y # backwards")
	if err != nil {
		log.Fatal(err)
	}
	call, err := registry.Bind(line)
	if err != nil {
		log.Fatal(err)
	}

	// Look the operands up: here x is an array in memory, and y is new.
	x := ndarray.New(ndarray.F64, 4)
	copy(ndarray.Slice[float64](x), []float64{1, 2, 3, 4})
	in := x
	if in.Layout, err = x.Layout.Slice(call.In[0].Slice); err != nil {
		log.Fatal(err)
	}
	call.In[0].Layout = in.Layout

	plan, err := call.Check()
	if err != nil {
		log.Fatal(err)
	}
	out := ndarray.New(plan.Out[0].DType, plan.Out[0].Shape...)

	threads, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer threads.Close()
	ctx := context.Background()
	err = threads.Run(ctx, pool.Options{}, func(w *pool.Worker) error {
		return plan.Run(&kernels.Exec{Ctx: ctx, W: w, In: []ndarray.Array{in}, Out: []ndarray.Array{out}})
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(call.Out[0].Path, ndarray.Slice[float64](out))
	// Output: y [-4 -3 -2 -1]
}

// A refusal knows its place in the line.
func ExampleRegistry_Bind_refusal() {
	registry := kernels.NewRegistry([]*kernels.Kernel{negate})
	line, err := command.Parse(`negate "my file[0, x]" y`)
	if err != nil {
		log.Fatal(err)
	}
	_, err = registry.Bind(line)
	var refusal *command.Error
	if errors.As(err, &refusal) {
		fmt.Println(command.Caret(line.Text, refusal.Span))
		fmt.Println(refusal)
	}
	// Output:
	// negate "my file[0, x]" y
	//                   ^~
	// slice: "x" is not an integer (write indices and ranges as NumPy does, such as 0, -1, 1:3, ::2 or ...)
}
