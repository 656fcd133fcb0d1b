package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// side is the rows and columns of the picture.
const side = 512

// crater is a bowl with a rim, in parts of the moon's radius.
type crater struct{ x, y, r, depth float64 }

// craters are many small and few large ones, as impacts make them: the number
// of those beyond r falls with r².
func craters() []crater {
	rng := rand.New(rand.NewPCG(1969, 7))
	out := make([]crater, 260)
	for i := range out {
		r := 0.018 / math.Sqrt(1-0.985*rng.Float64())
		out[i] = crater{2*rng.Float64() - 1, 2*rng.Float64() - 1, r, r * (0.12 + 0.1*rng.Float64())}
	}
	return out
}

// height is that of the ground at a place.
func height(list []crater, x, y float64) float64 {
	h := 0.004*math.Sin(9*x+4*y) + 0.003*math.Sin(17*y-6*x)
	for _, c := range list {
		d := ((x-c.x)*(x-c.x) + (y-c.y)*(y-c.y)) / (c.r * c.r)
		if d < 4 { // a bowl, and a rim around it
			h += c.depth * (0.45*math.Exp(-6*(d-1)*(d-1)) - max(0, 1-d))
		}
	}
	return h
}

// moon is the picture, 0 to 1, row by row from the top: a lit globe, and the
// stripes that the camera's mains hum leaves on each line.
func moon() []float64 {
	const radius, step = 0.92, 0.003
	list, out := craters(), make([]float64, side*side)
	sx, sy, sz := -0.72, -0.38, 0.58 // where the sun stands
	for i := range out {
		x, y := (2*float64(i%side)+1)/side-1, (2*float64(i/side)+1)/side-1
		x, y = x/radius, y/radius
		v := 0.02
		if r := x*x + y*y; r < 1 {
			z := math.Sqrt(1 - r)
			h := height(list, x, y)
			gx, gy := (height(list, x+step, y)-h)/step, (height(list, x, y+step)-h)/step
			nx, ny, nz := x-gx, y-gy, z
			v += 0.6 * max(0, (nx*sx+ny*sy+nz*sz)/math.Sqrt(nx*nx+ny*ny+nz*nz))
		}
		hum := 0.11*math.Cos(2*math.Pi*(48*float64(i%side)+20*float64(i/side))/side) + 0.06*math.Cos(2*math.Pi*(96*float64(i%side)+40*float64(i/side))/side)
		out[i] = min(max(v+hum+0.18, 0), 1)
	}
	return out
}

// pgm is a picture in 8 bits. A comment makes the header as long as a row.
func pgm(pixels []float64) []byte {
	head, tail := "P5\n#", fmt.Sprintf("\n%d %d\n255\n", side, side)
	b := []byte(head + strings.Repeat(" ", side-len(head)-len(tail)) + tail)
	for _, v := range pixels {
		b = append(b, byte(math.Round(255*v)))
	}
	return b
}
