#!/bin/sh
# fft.sh DEVICE FFTW PRECISION [PLANT]: FFTW's self-tester (libbench2 of the
# sources in FFTW) in double or single PRECISION against a mounted device, by
# the adapter beside this script: lengths 1 to 100 and powers of two, complex,
# real and split, in place and not, both ways; rectangles, batches of both
# layouts, boxes of random smooth extents; cosine and sine transforms. The exit
# status is 1 if it found a fault. With PLANT results are spoilt by that much.
set -eu
device=$1 fftw=$2 precision=$3 plant=${4-}
here=$(dirname "$0")
single=
case $precision in
double) ;;
single) single=-DBENCHFFT_SINGLE ;;
*) echo "fft.sh: double or single, not $precision" >&2; exit 2 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM # dash leaves without the EXIT trap otherwise
: >"$work/config.h"
have='-DHAVE_STDDEF_H -DHAVE_STDLIB_H -DHAVE_STRING_H -DHAVE_UNISTD_H -DHAVE_SYS_TIME_H -DTIME_WITH_SYS_TIME -DHAVE_GETTIMEOFDAY -DHAVE_DRAND48'
# shellcheck disable=SC2086,SC2046 # flags and files
cc -O1 -w $single $have -I"$work" -I"$fftw" -I"$fftw/libbench2" -o "$work/bench" "$here/fft.c" $(find "$fftw/libbench2" -name '*.c' ! -name useropt.c) -lm

# problems prints what to verify, one a line, the same each time.
problems() {
	awk 'BEGIN {
		srand(1)
		split("o i", place); split("f b", way); split("e00 e01 e10 e11 o00 o01 o10 o11", kind)
		for (n = 1; n <= 100; n++) size(n)
		for (n = 128; n <= 65536; n *= 2) size(n)
		size(10007); size(44100)
		for (i = 1; i <= 100; i += 7) for (j = 1; j <= 900 / i && j <= 100; j += 9) size(i "x" j)
		for (i = 0; i < 60; i++) size(box(""))
		for (n = 2; n <= 60; n++) for (k = 1; k <= 8; k++) print "ok" n kind[k]
		for (i = 0; i < 60; i++) print "ik" box("r")
	}
	function size(n,   a, b) {
		for (a in place) for (b in way) {
			print place[a] "c" way[b] n
			print place[a] "r" way[b] n
			print "//" place[a] "c" way[b] n
		}
	}
	function box(real,   s, rank, i) {
		rank = 1 + int(rand() * 4)
		for (i = 1; i <= rank; i++)
			s = s (i > 1 ? "x" : "") 2 + int(rand() * 12) (real ? kind[1 + int(rand() * 8)] : "")
		if (rand() < .6) s = s (rand() < .5 ? "*" : "v") 1 + int(rand() * 7)
		return s
	}'
}

problems >"$work/problems"
VGPU_DEVICE=$device
export VGPU_DEVICE
[ -z "$plant" ] || export VGPU_PLANT="$plant"
if sed 's/^/--verify=/' "$work/problems" | xargs -n 200 "$work/bench" --verify-rounds=2 >"$work/out" 2>&1; then
	echo "$precision: $(wc -l <"$work/problems") problems verified"
else
	tail -n 20 "$work/out"
	exit 1
fi
