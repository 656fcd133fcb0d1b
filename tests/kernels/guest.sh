#!/bin/sh
# guest.sh VGPU DIR DISK: what a device must do on any kernel, checked with nothing but a
# shell: products and transforms beyond memory have the bits of `vgpu run` on plain files,
# a killed daemon and a stop with --persist lose nothing, nothing is left over. DIR is for
# mounts and files, DISK a directory on a disk.
set -eu
vgpu=$1 dir=$2 disk=$3
m=$dir/m state=$dir/state
fail() {
	echo "guest: $*" >&2
	cat "$m/errors" >&2 2>/dev/null || :
	exit 1
}
device() { "$vgpu" mount --daemon --state "$state" --mem 24M --spill "$disk:256M" "$@" "$m"; }
same() { cmp "$m/buffers/$1" "$dir/plain/$1" || fail "$1 differs from what vgpu run made"; }
lines='random a.npy:f32:1448x1448 seed=1
random b.npy:f32:1448x1448 seed=2
gemm a.npy b.npy c.npy
fft a.npy s.npy axes=0
map "y = exp(-x*x) + sin(x)" x=c.npy y=y.npy
sort y.npy o.npy'

"$vgpu" doctor
mkdir -p "$dir/plain"
(cd "$dir/plain" && echo "$lines" | "$vgpu" run -f -)
for flags in '' '--io=threads' '--direct' '--isa=generic --threads=1'; do
	# shellcheck disable=SC2086 # a list of flags
	device $flags
	grep -E '^(kernel|io_uring_used|passthrough|isa) ' "$m/info"
	echo "$lines" >"$m/run"
	cat "$m/buffers/o.npy" >/dev/null # waits for the last job
	[ ! -s "$m/errors" ] || fail "$flags: there are errors"
	case $flags in
	*isa=*) ;; # other sums
	*) for f in a.npy b.npy c.npy s.npy y.npy o.npy; do same $f; done ;;
	esac
	[ "$(du -s "$m/buffers" | cut -f1)" -le $((24 << 10)) ] || fail "more is in memory than --mem"
	cp "$m/buffers/a.npy" "$m/buffers/copy" && mv "$m/buffers/copy" "$m/buffers/moved"
	cmp "$m/buffers/moved" "$m/buffers/a.npy"
	rm "$m/buffers/moved"
	"$vgpu" umount "$m"
done

device
echo "$lines" >"$m/run"
cat "$m/buffers/o.npy" >/dev/null
kill -9 "$(sed -n 's/^pid //p' "$m/info")"
"$vgpu" umount --quiet "$m" || :
device --persist
for f in a.npy c.npy s.npy o.npy; do same $f; done
"$vgpu" umount "$m"
device
for f in b.npy c.npy y.npy o.npy; do same $f; done
"$vgpu" umount "$m"
! grep vgpu /proc/mounts || fail "mounts are left over"
[ -z "$(ls "$disk")" ] || fail "files are left over on the disk"
echo "guest: all is well on Linux $(uname -r)"
