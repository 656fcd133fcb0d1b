#!/bin/sh
# Memory beyond RAM, in figures: jobs on operands that do not fit into memory,
# against fio's sequential bandwidth (reading the very file that a job reads), and a matrix product of twice the memory
# against the same in memory; interleaved in one run, medians of ROUNDS.
#
#   sh tools/spill_bench.sh bin/vgpu [DIR]      DIR: where to spill; needs 8 GB there
set -eu
bin=$(realpath "$1")
rounds=${ROUNDS:-3}
n=${N:-8192}
top=$(mktemp -d)
disk=$(mktemp -d -p "${2:-/var/tmp}")
trap '"$bin" umount "$top/small" || :; "$bin" umount "$top/large" || :; rm -rf "$top" "$disk"' EXIT
# The three matrices are twice the memory of the small device; one array of 4 times its memory is streamed.
matrix=$((n * n * 4))
mem=$((matrix * 3 / 2))
length=$((mem * 4 / 4))
"$bin" mount --daemon --mem "$mem" --spill "$disk:8G" --state "$top/s1" "$top/small"
"$bin" mount --daemon --mem "$((matrix * 4))" --state "$top/s2" "$top/large"

# run DEVICE COMMAND: its seconds
run() {
	start=$(date +%s.%N)
	echo "$2" >"$top/$1/run" || { cat "$top/$1/errors" >&2; exit 1; }
	date +%s.%N | awk -v a="$start" '{print $1 - a}'
}
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
# fio RW FILE: bytes a second
fio_rate() {
	fio --name=x --filename="$2" --rw="$1" --bs=1m --size="$((length * 4 >> 20))m" --direct=1 --ioengine=io_uring --iodepth=16 --output-format=terse --terse-version=3 2>/dev/null |
		awk -F';' -v rw="$1" '{print (rw ~ /read/ ? $7 : $48) * 1024}'
}
keep() { cat >>"$top/$1"; }
get() { median <"$top/$1"; }

for dev in small large; do
	for m in a b; do run $dev "random $m.npy:f32:${n}x$n seed=1" >/dev/null; done
done
run small "random x.npy:f32:$length seed=3" >/dev/null
spilled=$(find "$disk/small/data" -type f -size "+$((length * 4 / 1024 - 1))k" | head -n 1) # the file that has x.npy
[ -n "$spilled" ]
fio_rate write "$disk/fio" >/dev/null
i=0
while [ $i -lt "$rounds" ]; do
	fio_rate read "$spilled" >/dev/null # a virtual machine's host has its own cache: warm for both
	fio_rate read "$spilled" | keep read
	run small 'sum x.npy s.npy' | keep sum
	fio_rate write "$disk/fio" | keep write
	run small 'map "y = 2 * x + 1" x=x.npy y=y.npy' | keep map
	run small 'gemm a.npy b.npy c.npy' | keep streamed
	run large 'gemm a.npy b.npy c.npy' | keep core
	i=$((i + 1))
done
awk -v r="$(get read)" -v w="$(get write)" -v s="$(get sum)" -v m="$(get map)" -v g="$(get streamed)" -v c="$(get core)" -v bytes="$((length * 4))" -v n="$n" -v mem="$mem" 'BEGIN {
	printf "memory %.0f MB, array %.0f MB, matrices 3 x %.0f MB\n", mem / 1e6, bytes / 1e6, n * n * 4 / 1e6
	printf "fio, sequential 1 MiB, 16 in flight      read %7.0f MB/s   write %7.0f MB/s\n", r / 1e6, w / 1e6
	printf "sum, streamed                            read %7.0f MB/s   of fio %.2f\n", bytes / s / 1e6, bytes / s / r
	printf "map, streamed                            both %7.0f MB/s   of fio, reading then writing %.2f\n", 2 * bytes / m / 1e6, (bytes / r + bytes / w) / m
	printf "gemm, 2x memory    %6.2f s, in memory %6.2f s  ratio %.2f   %.0f GFLOP/s\n", g, c, g / c, 2 * n * n * n / g / 1e9
}'
