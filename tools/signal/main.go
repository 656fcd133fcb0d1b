// Command signal makes data for the tour of the FFT, and pictures of what
// comes out.
//
//	signal bell FILE.wav                three strokes of a bell, 44.1 kHz, 16 bits
//	signal moon FILE.pgm                a picture of a cratered moon, taken by a camera with a hum
//	signal plot IN.npy OUT.png|.svg     a heat map of a matrix, rows upwards
//
// The WAV has a header of 44 bytes and the PGM one of 512, so that a device
// reads both as they are: bell.wav:i16:220522[22:] is the sound,
// moon.pgm:u8:513x512[1:] the picture. Both are the same on every machine but
// for the last bit of a sine.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("signal: ")
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

// run is the program without its exit.
func run(args []string) error {
	if len(args) == 0 {
		return errors.New("bell FILE.wav, moon FILE.pgm, or plot IN.npy OUT.png")
	}
	switch verb, rest := args[0], args[1:]; {
	case verb == "bell" && len(rest) == 1:
		return os.WriteFile(rest[0], wav(bell()), 0o644)
	case verb == "moon" && len(rest) == 1:
		return os.WriteFile(rest[0], pgm(moon()), 0o644)
	case verb == "plot":
		return plotCommand(rest)
	}
	return fmt.Errorf("%q: bell FILE.wav, moon FILE.pgm, or plot IN.npy OUT.png", args)
}

// plotCommand parses what plot takes.
func plotCommand(args []string) error {
	var p picture
	f := flag.NewFlagSet("plot", flag.ContinueOnError)
	f.StringVar(&p.title, "title", "", "what stands above")
	f.StringVar(&p.xLabel, "x", "", "what stands below")
	f.StringVar(&p.yLabel, "y", "", "what stands at the left")
	f.Float64Var(&p.xStep, "dx", 1, "from column to column")
	f.Float64Var(&p.yStep, "dy", 1, "from row to row")
	f.IntVar(&p.rows, "rows", 0, "rows to show; 0: all")
	f.Float64Var(&p.decibels, "db", 0, "show 10·log10 of the values, down to so much below the largest; 0: the values")
	f.BoolVar(&p.down, "down", false, "the first row is at the top, as in a photograph")
	f.BoolVar(&p.gray, "gray", false, "shades of gray")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return errors.New("plot takes IN.npy and OUT.png or OUT.svg, after its flags")
	}
	return p.write(f.Arg(0), f.Arg(1))
}
