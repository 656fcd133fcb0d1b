#!/bin/sh
# What the tests use beside Go and make: each line is a program and the Debian
# package that has it. Root gets them installed; anybody else is told.
set -eu
missing=
while read -r prog package why; do
	case $prog in
	/*) [ -e "$prog" ] && continue ;;
	*) command -v "$prog" >/dev/null 2>&1 && continue ;;
	esac
	echo "deps: $package is missing: $why"
	missing="$missing $package"
done <<LIST
gcc gcc clients in C, and the race detector
/usr/include/stdio.h libc6-dev the same
python3 python3 clients in Python
/usr/lib/python3/dist-packages/numpy python3-numpy the reference for values and NPY files
/usr/lib/python3/dist-packages/scipy python3-scipy the reference for transforms
perl perl clients in Perl
node nodejs clients in Node
busybox busybox its shell and tools
dash dash its shell
fio fio verification of buffers
shellcheck shellcheck lint of shell scripts
getfattr attr extended attributes
fusermount3 fuse3 mounts by ordinary users
qemu-aarch64-static qemu-user-static the arm64 build's tests
mandoc mandoc lint of manual pages
/usr/sbin/mkfs.ext4 e2fsprogs disks that fail
systemd-analyze systemd lint of the unit
/usr/include/fftw3.h libfftw3-dev the peer that tools/peers/fft is checked against
/usr/share/doc/libblas-test libblas-test the reference testers of BLAS
LIST
if [ ! -e /etc/mtab ] && [ "$(id -u)" = 0 ]; then # a system without init; fusermount3 reads it
	echo "deps: /etc/mtab is missing: made a link to /proc/self/mounts"
	ln -s /proc/self/mounts /etc/mtab
fi
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "deps: as root: apt-get install --no-install-recommends$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -qq -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300 "$@"; } # a mirror may falter, and another apt be at work
apt update
# shellcheck disable=SC2086 # a list of packages
apt install -y --no-install-recommends $missing >/dev/null
