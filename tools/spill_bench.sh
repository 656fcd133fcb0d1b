#!/bin/sh
# Memory beyond RAM, in figures: jobs on operands that do not fit into memory,
# against fio's sequential bandwidth (reading the very file that a job reads), a matrix product of twice the memory
# against the same in memory, and Fourier transforms against what fio's bandwidth allows for the passes they make;
# interleaved in one run, medians of ROUNDS.
#
#   sh tools/spill_bench.sh bin/vgpu [DIR]      DIR: where to spill; needs 8 GB there
#   PARTS="fft" ROUNDS=5 sh tools/spill_bench.sh bin/vgpu      some parts only: stream, gemm, along, fft
#
# It prints, a line each (rates in MB/s, of bytes of arrays; the last figure of a line is what is aimed at: 0.9, 0.9, 1.10 at most, 0.85):
#   memory ...     the sizes: N=8192 is the side of the matrices, memory half of three f32 ones
#   fio ...        what the disk reads and writes, sequentially
#   sum, map ...   streamed, and their share of fio's rate
#   gemm ...       seconds outside memory and in it, and the ratio; then of each, per product: user and system seconds and page faults of
#                  the daemon, and seconds that the host took from the processors meanwhile
#   along ...      seconds of a sort, a cosine and a real Fourier transform along the first axis, of twice the memory with the result, in memory, and the ratio; the bytes that it moves (explain)
#   fft 2-D, fft line ...   seconds of an N x N and of an N·N c64 transform (of 4/3 of the memory each), the passes that they
#                  make (explain), seconds that fio would take to read and to write the array so often, and the share
set -eu
bin=$(realpath "$1")
rounds=${ROUNDS:-3}
n=${N:-8192}
parts=" ${PARTS:-stream gemm along fft} "
top=$(mktemp -d)
disk=$(mktemp -d -p "${2:-/var/tmp}")
trap '"$bin" umount "$top/small" || :; "$bin" umount "$top/large" || :; rm -rf "$top" "$disk"' EXIT
trap 'exit 130' HUP INT TERM # dash leaves without the EXIT trap otherwise
# The three matrices are twice the memory of the small device; one array of 4 times its memory is streamed.
matrix=$((n * n * 4))
mem=$((matrix * 3 / 2))
length=$((mem * 4 / 4))
# Descriptor 9 may be the lock of who measures alone: it is not a daemon's to keep.
"$bin" mount --daemon --mem "$mem" --spill "$disk:8G" --state "$top/s1" "$top/small" 9>&-
"$bin" mount --daemon --mem "$((matrix * 10))" --state "$top/s2" "$top/large" 9>&-

has() { case $parts in *" $1 "*) true ;; *) false ;; esac; }
rated() { has stream || has fft; } # what is compared with fio
# run DEVICE COMMAND [NAME]: its seconds are one of NAME's
run() {
	start=$(date +%s.%N)
	echo "$2" >"$top/$1/run" || { cat "$top/$1/errors" >&2; exit 1; }
	date +%s.%N | awk -v a="$start" '{print $1 - a}' >>"$top/${3:-unused}"
}
# passes COMMAND: over its arrays
passes() {
	exec 8<>"$top/small/run"
	echo "explain $1" >&8
	grep -c '^pass' <&8
	exec 8>&-
}
# moved COMMAND: bytes that it moves
moved() {
	exec 8<>"$top/small/run"
	echo "explain $1" >&8
	awk '/^moved/ {print $2}' <&8
	exec 8>&-
}
# spent DEVICE: the daemon's user and system seconds and page faults so far, and seconds that the host took
spent() {
	cat "/proc/$(sed -n 's/^pid //p' "$top/$1/info")/stat" /proc/stat |
		awk -v hz="$(getconf CLK_TCK)" 'NR == 1 {print $14 / hz, $15 / hz, $10} /^cpu / {print $9 / hz}' | paste -s -d ' '
}
# product DEVICE NAME: keeps what a product takes
product() {
	before=$(spent "$1")
	run "$1" 'gemm a.npy b.npy c.npy' "$2"
	echo "$before $(spent "$1")" | awk '{for (i = 1; i <= 4; i++) print $(i + 4) - $i}' >"$top/now"
	for what in user system faults taken; do
		{ read -r v; echo "$v" | keep "$2.$what"; }
	done <"$top/now"
}
# account NAME: that, as text
account() {
	awk -v u="$(get "$1.user")" -v s="$(get "$1.system")" -v f="$(get "$1.faults")" -v h="$(get "$1.taken")" 'BEGIN {
		printf "user %6.2f s, system %5.2f s, %6d faults, taken by the host %5.2f s", u, s, f, h
	}'
}
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
# fio RW FILE: bytes a second
fio_rate() {
	fio --name=x --filename="$2" --rw="$1" --bs=1m --size="$((length * 4 >> 20))m" --direct=1 --ioengine=io_uring --iodepth=16 --output-format=terse --terse-version=3 2>/dev/null |
		awk -F';' -v rw="$1" '{print (rw ~ /read/ ? $7 : $48) * 1024}'
}
keep() { cat >>"$top/$1"; }
get() { median <"$top/$1"; }
# fft_line NAME ARRAY OPTIONS: the line of a transform
fft_line() {
	awk -v name="$1" -v t="$(get "$1")" -v p="$(passes "fft $2 f$2 ${3-}")" -v r="$(get read)" -v w="$(get write)" -v bytes="$((n * n * 8))" 'BEGIN {
		disk = p * (bytes / r + bytes / w)
		printf "%-8s %4.0f MB  %6.2f s, %d passes, fio would take %6.2f s   of fio %.2f\n", name, bytes / 1e6, t, p, disk, disk / t
	}'
}
# each_along FUNCTION: with each command along the first axis, by its verb and option
each_along() {
	"$1" sort axis
	"$1" dct axes
	"$1" rfft axes
}
timed() {
	run small "$1 tall.npy along.npy $2=0" "$1"
	run large "$1 tall.npy along.npy $2=0" "$1-core"
}
told() {
	awk -v verb="$1" -v s="$(get "$1")" -v c="$(get "$1-core")" -v m="$(moved "$1 tall.npy along.npy $2=0")" 'BEGIN {
		printf "along, %-4s 2x memory    %6.2f s, in memory %6.2f s  ratio %.2f   %.0f MB moved\n", verb, s, c, s / c, m / 1e6
	}'
}

if rated; then
	run small "random x.npy:f32:$length seed=3"
	spilled=$(find "$disk/small/data" -type f -size "+$((length * 4 / 1024 - 1))k" | head -n 1) # the file that has x.npy
	[ -n "$spilled" ]
fi
if has gemm; then
	for dev in small large; do
		for m in a b; do run $dev "random $m.npy:f32:${n}x$n seed=1"; done
	done
fi
if has along; then
	for dev in small large; do run $dev "random tall.npy:f32:$((n * 3 / 2))x$n seed=6"; done
fi
if has fft; then
	run small "random plane.npy:c64:${n}x$n seed=4"
	run small "random line.npy:c64:$((n * n)) seed=5"
fi
# Products have rounds of their own: what fio has written a virtual machine's host still writes long after.
i=0
while has gemm && [ $i -lt "$rounds" ]; do
	product small streamed
	product large core
	i=$((i + 1))
done
if rated; then fio_rate write "$disk/fio" >/dev/null; fi
i=0
while [ $i -lt "$rounds" ]; do
	if rated; then
		fio_rate read "$spilled" >/dev/null # a virtual machine's host has its own cache: warm for both
		fio_rate read "$spilled" | keep read
	fi
	if has stream; then run small 'sum x.npy s.npy' sum; fi
	if rated; then fio_rate write "$disk/fio" | keep write; fi
	if has stream; then run small 'map "y = 2 * x + 1" x=x.npy y=y.npy' map; fi
	if has fft; then
		run small 'fft plane.npy fplane.npy axes=0,1' "fft 2-D"
		run small 'fft line.npy fline.npy' "fft line"
	fi
	if has along; then each_along timed; fi
	i=$((i + 1))
done
awk -v bytes="$((length * 4))" -v n="$n" -v mem="$mem" 'BEGIN {
	printf "memory %.0f MB, array %.0f MB, matrices 3 x %.0f MB\n", mem / 1e6, bytes / 1e6, n * n * 4 / 1e6
}'
if rated; then
	awk -v r="$(get read)" -v w="$(get write)" 'BEGIN {
		printf "fio, sequential 1 MiB, 16 in flight      read %7.0f MB/s   write %7.0f MB/s\n", r / 1e6, w / 1e6
	}'
fi
if has stream; then
	awk -v r="$(get read)" -v w="$(get write)" -v s="$(get sum)" -v m="$(get map)" -v bytes="$((length * 4))" 'BEGIN {
		printf "sum, streamed                            read %7.0f MB/s   of fio %.2f\n", bytes / s / 1e6, bytes / s / r
		printf "map, streamed                            both %7.0f MB/s   of fio, reading then writing %.2f\n", 2 * bytes / m / 1e6, (bytes / r + bytes / w) / m
	}'
fi
if has gemm; then
	awk -v g="$(get streamed)" -v c="$(get core)" -v n="$n" 'BEGIN {
		printf "gemm, 2x memory    %6.2f s, in memory %6.2f s  ratio %.2f   %.0f GFLOP/s\n", g, c, g / c, 2 * n * n * n / g / 1e9
	}'
	echo "  outside memory   $(account streamed)"
	echo "  in memory        $(account core)"
fi
if has along; then each_along told; fi
if has fft; then
	fft_line "fft 2-D" plane.npy axes=0,1
	fft_line "fft line" line.npy
fi
