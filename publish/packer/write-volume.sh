#!/bin/sh
# Writes a sealed disk onto the one empty volume of this machine and reads it back. Run as root, by Packer.
#   DISK          the disk's file
#   DISK_SHA256   what it has to be
#   VOLUME_GIB    the size of the volume that was attached for it
set -eu

fail() {
	echo "write-volume: $1" >&2
	exit 1
}

[ -f "$DISK" ] || fail "$DISK is not there"
echo "$DISK_SHA256  $DISK" | sha256sum --check --status - || fail "$DISK is not the disk that was sealed: sha256 differs"
size=$(stat -c %s "$DISK")

# A name such as /dev/sdf says nothing on this machine: volumes are called as the kernel finds them. So the volume is
# the only disk of its size that is empty, without partitions, and nobody's.
sectors=$((VOLUME_GIB * 2097152))
volume=
for path in /sys/block/*; do
	name=${path##*/}
	[ "$(cat "$path/size")" -eq "$sectors" ] || continue
	[ -z "$(ls "$path/holders")" ] || continue
	case $(echo "$path/$name"*) in "$path/$name*") ;; *) continue ;; esac
	grep -q "^/dev/$name[ p0-9]" /proc/mounts && continue
	cmp -s -n 1048576 "/dev/$name" /dev/zero || continue
	[ -z "$volume" ] || fail "$volume and /dev/$name are both empty and of $VOLUME_GIB GiB: take another size"
	volume=/dev/$name
done
[ -n "$volume" ] || fail "no empty disk of $VOLUME_GIB GiB is attached"

echo "writing $size bytes onto $volume"
dd if="$DISK" of="$volume" bs=4M conv=fsync,notrunc status=none
# what is read now comes from the volume and not from memory
blockdev --flushbufs "$volume" 2>/dev/null || true
sync
echo 3 >/proc/sys/vm/drop_caches
found=$(head -c "$size" "$volume" | sha256sum | cut -d ' ' -f 1)
[ "$found" = "$DISK_SHA256" ] || fail "$volume does not hold what was written: sha256 $found"
rm "$DISK"
echo "$volume holds sha256 $found"
