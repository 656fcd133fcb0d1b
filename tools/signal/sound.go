package main

import (
	"encoding/binary"
	"math"
)

// rate is the samples a second of the sound.
const rate = 44100

// partial is one mode of a bell: its frequency over the strike note, its
// loudness, and the seconds in which it fades to 1/e.
type partial struct{ ratio, loud, fade float64 }

// partials are those of a minor-third church bell, with its names (Fletcher
// and Rossing, The Physics of Musical Instruments, 1998, table 21.1): hum,
// prime, tierce, quint, nominal, and those above, each split in two by the
// bell's lack of symmetry.
var partials = []partial{
	{0.5, 0.5, 2.4}, {0.5006, 0.25, 2.2}, {1, 0.6, 1.5}, {1.0011, 0.3, 1.4}, {1.183, 0.9, 1.1}, {1.506, 0.35, 0.7}, {2, 1, 0.8}, {2.0017, 0.5, 0.7},
	{2.514, 0.4, 0.45}, {2.662, 0.3, 0.4}, {3.011, 0.4, 0.35}, {4.166, 0.3, 0.22}, {5.433, 0.22, 0.15}, {6.796, 0.15, 0.1}, {8.215, 0.1, 0.07},
}

// bell is five seconds: three strokes on bells of falling pitch.
func bell() []float64 {
	out := make([]float64, 5*rate)
	for _, stroke := range []struct{ at, note, loud float64 }{{0.1, 659.26, 0.8}, {1.3, 523.25, 0.9}, {2.5, 391.995, 1}} {
		for _, p := range partials {
			ring(out, stroke.at, stroke.note*p.ratio, stroke.loud*p.loud, p.fade)
		}
	}
	most := 0.0
	for _, v := range out {
		most = max(most, math.Abs(v))
	}
	for i := range out {
		out[i] *= 0.9 / most
	}
	return out
}

// ring adds a decaying sine. The clapper takes a millisecond to let go.
func ring(out []float64, at, hertz, loud, fade float64) {
	for i := int(at * rate); i < len(out); i++ {
		t := float64(i)/rate - at
		out[i] += loud * (1 - math.Exp(-t/0.001)) * math.Exp(-t/fade) * math.Sin(2*math.Pi*hertz*t)
	}
}

// wav is a sound of one channel in 16 bits: RIFF, with a header of 44 bytes.
func wav(sound []float64) []byte {
	le := binary.LittleEndian
	size := uint32(2 * len(sound))
	b := append([]byte("RIFF"), le.AppendUint32(nil, 36+size)...)
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16)
	for _, v := range []uint16{1, 1} { // PCM, one channel
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, rate)
	b = le.AppendUint32(b, 2*rate)
	b = le.AppendUint16(b, 2) // bytes of a sample
	b = le.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = le.AppendUint32(b, size)
	for _, v := range sound {
		b = le.AppendUint16(b, uint16(int16(math.Round(32767*v))))
	}
	return b
}
