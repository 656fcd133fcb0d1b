#!/bin/sh
# guest.sh VGPU DIR DISK [PART...]: what a device must do on any kernel, checked with nothing
# but a shell: products and transforms beyond memory have the bits of `vgpu run` on plain
# files (modes), a killed daemon and a stop with --persist lose nothing (crash), the limits of
# a control group hold (group), nothing is left over. DIR is for mounts and files, DISK a
# directory on a disk.
set -eu
vgpu=$1 dir=$2 disk=$3
shift 3
parts=" ${*:-modes crash group} "
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

modes() {
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
}

crash() {
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
}

# group: in a control group of version 2 a device takes by default half of what the group may
# have and the CPUs that it may use. Buffers, scratch and the daemon together do not even
# come to the group's limit (memory.events: max), however much is asked of them.
group() {
	g=/sys/fs/cgroup/vgpu
	[ -e /sys/fs/cgroup/cgroup.controllers ] || fail "there are no control groups of version 2"
	echo '+memory +cpu' >/sys/fs/cgroup/cgroup.subtree_control
	mkdir "$g"
	echo 320M >"$g/memory.max"
	echo '100000 100000' >"$g/cpu.max"
	(
		echo 0 >"$g/cgroup.procs"
		"$vgpu" mount --daemon --state "$state" --spill "$disk:256M" "$m"
	)
	for n in 1 2 3 4 5 6; do echo "random f$n:f32:2048x4096 seed=$n" >"$m/run"; done
	echo 'map "z = x + y" x=f1:f32:2048x4096 y=f6:f32:2048x4096 z=f7.npy' >"$m/run"
	grep -qx "memory $((160 << 20))" "$m/info" || fail "half of the group's memory is not --mem: $(grep '^memory ' "$m/info")"
	grep -qx 'threads 1' "$m/info" || fail "more threads than the group has CPUs: $(grep '^threads ' "$m/info")"
	for event in max oom oom_kill; do
		grep -qx "$event 0" "$g/memory.events" || fail "the group came to its limit: $(grep "^$event " "$g/memory.events")"
	done
	if [ -e "$g/memory.peak" ]; then # from Linux 5.19 on
		echo "memory.peak $(($(cat "$g/memory.peak") >> 20)) MiB of 320"
	fi
	"$vgpu" umount "$m"
	while ! rmdir "$g" 2>/dev/null; do :; done # until the daemon is gone
}

"$vgpu" doctor
case $parts in
*" modes "* | *" crash "*)
	mkdir -p "$dir/plain"
	(cd "$dir/plain" && echo "$lines" | "$vgpu" run -f -)
	;;
esac
for part in modes crash group; do
	case $parts in *" $part "*) "$part" ;; esac
done
! grep vgpu /proc/mounts || fail "mounts are left over"
[ -z "$(ls "$disk")" ] || fail "files are left over on the disk"
echo "guest: all is well on Linux $(uname -r)"
