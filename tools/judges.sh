#!/bin/sh
# judges.sh: suites of other people against mounted devices, as root: pjdfstest,
# fsx while buffers are spilled, and FFTW's self-tester in both precisions with
# a fault planted once. (Netlib's testers of BLAS are in Debian, and in make
# test.) The sources, under licences of their own, are cloned into JUDGES
# (default: ~/.cache/vgpu/judges) unless they are there.
set -eu
cd "$(dirname "$0")/.."
vgpu=$PWD/bin/vgpu
judges=${JUDGES:-${XDG_CACHE_HOME:-$HOME/.cache}/vgpu/judges}
work=$(mktemp -d)
finish() {
	for d in plain small; do
		[ ! -d "$work/$d" ] || "$vgpu" umount "$work/$d" 2>/dev/null || :
	done
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' HUP INT TERM # dash leaves without the EXIT trap otherwise

sources() { # NAME URL
	[ -d "$judges/$1" ] || git clone -q --depth 1 "$2" "$judges/$1"
}
device() { # NAME OPTIONS
	name=$1
	shift
	mkdir "$work/$name"
	"$vgpu" mount --daemon --state "$work/state-$name" "$@" "$work/$name"
}
mkdir -p "$judges"
sources pjdfstest https://github.com/pjd/pjdfstest
sources xfstests https://github.com/kdave/xfstests
sources fftw3 https://github.com/FFTW/fftw3

device plain --mem 512M
sh tests/judges/posix.sh "$work/plain" "$judges/pjdfstest"
mkdir "$work/spill"
device small --mem 24M --spill "$work/spill:1G"
sh tests/judges/fsx.sh "$work/small" "$judges/xfstests"
for precision in double single; do
	sh tests/judges/fft.sh "$work/plain" "$judges/fftw3" "$precision"
done
if sh tests/judges/fft.sh "$work/plain" "$judges/fftw3" double 1e-6 >/dev/null; then
	echo "judges.sh: FFTW's tester missed a planted error of 1e-6" >&2
	exit 1
fi
echo "judges: all content"
