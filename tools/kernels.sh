#!/bin/sh
# kernels.sh: a device on other kernels: Debian's of the last three releases (5.10, 6.1, 6.12),
# in an emulated machine that has nothing but busybox, the binary, and a disk. What is
# checked there is tests/kernels/guest.sh. Needs root, the network, and Debian's
# qemu-system-x86, kmod, cpio and e2fsprogs. Not part of CI: emulation takes minutes a kernel.
#
#   sh tools/kernels.sh bin/vgpu                     all of them
#   RELEASES="bullseye" sh tools/kernels.sh bin/vgpu Linux 5.10 alone
#   PARTS="group" sh tools/kernels.sh bin/vgpu       some parts of guest.sh only: modes, crash, group
set -eu
vgpu=$(realpath "$1")
repo=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM # dash leaves without the EXIT trap otherwise
for prog in qemu-system-x86_64 depmod cpio mkfs.ext4; do
	command -v "$prog" >/dev/null || { echo "kernels.sh: apt-get install --no-install-recommends qemu-system-x86 kmod cpio e2fsprogs" >&2; exit 69; }
done

# packages downloads the newest kernel of a release and its static busybox, which as an installed package would
# replace the other one, into the present directory, by an apt that knows nothing but that release.
packages() { # RELEASE
	mkdir -p apt/lists/partial apt/cache/archives/partial
	printf 'deb http://deb.debian.org/debian %s main\ndeb http://deb.debian.org/debian-security %s-security main\n' "$1" "$1" >apt/sources.list
	set -- -q -o Dir::Etc::sourcelist="$PWD/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$PWD/apt/lists" \
		-o Dir::Cache="$PWD/apt/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root
	apt-get "$@" update >/dev/null
	newest=$(apt-cache "$@" depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
	apt-get "$@" download "$newest" busybox-static >/dev/null
}

# initramfs makes what the machine starts with, from an unpacked kernel package.
initramfs() { # ROOT OUT
	lib=$1/lib/modules
	if [ ! -d "$lib" ]; then
		ln -s usr/lib "$1/lib"
	fi
	version=$(ls "$lib")
	depmod -b "$1" "$version"
	mkdir -p "$2/bin" "$2/proc" "$2/sys" "$2/dev" "$2/disk" "$2/work" "$2/modules"
	for m in virtio_pci virtio_blk fuse ext4 crc32c_generic; do
		modprobe -d "$1" -S "$version" --show-depends "$m" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'
	done | awk '!seen[$0]++' | while read -r file; do
		n=$((${n:-100} + 1)) # in the order in which they need each other
		cp "$file" "$2/modules/$n-$(basename "$file")"
	done
	cp "$vgpu" "$2/bin/vgpu"
	cp "$repo/tests/kernels/guest.sh" "$2/guest.sh"
	echo "${PARTS:-}" >"$2/parts"
	cat >"$2/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for m in /modules/*; do
	case $m in
	*.xz) unxz -c "$m" >/module && m=/module ;;
	esac
	insmod "$m"
done
mkdir -p /dev/shm /run /tmp
mount -t tmpfs shm /dev/shm
mount -t cgroup2 group /sys/fs/cgroup
mount -t ext4 /dev/vda /disk
mkdir /disk/spill
sh /guest.sh /bin/vgpu /work /disk/spill $(cat /parts)
echo "guest ended with $?"
poweroff -f
INIT
	chmod +x "$2/init"
}

for release in ${RELEASES:-bullseye bookworm trixie}; do
	dir=$work/$release
	mkdir -p "$dir/root" "$dir/ram"
	(cd "$dir" && packages "$release" && dpkg-deb -x linux-image-*.deb root && dpkg-deb -x busybox-static_*.deb busybox)
	initramfs "$dir/root" "$dir/ram"
	cp "$dir"/busybox/bin/busybox "$dir/ram/bin/" 2>/dev/null || cp "$dir"/busybox/usr/bin/busybox "$dir/ram/bin/"
	(cd "$dir/ram" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$dir/initramfs"
	truncate -s 1G "$dir/disk"
	mkfs.ext4 -q "$dir/disk"
	timeout "${LIMIT:-1800}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults -nographic -no-reboot -serial stdio \
		-kernel "$dir"/root/boot/vmlinuz-* -initrd "$dir/initramfs" -append 'console=ttyS0 quiet panic=-1' \
		-drive file="$dir/disk",if=virtio,format=raw,cache=unsafe | tee "$dir/log"
	grep -q '^guest ended with 0' "$dir/log" || { echo "kernels.sh: $release: it did not work" >&2; exit 1; }
done
