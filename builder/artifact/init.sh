#!/bin/busybox sh
# The first process of every stereo image: loads a fixed list of modules, opens the root by the hash on the
# kernel command line, and hands over to systemd. When it fails the kernel panics, with the reason above it.
PATH=/sbin:/bin
export PATH DM_DISABLE_UDEV=1

fail() {
	echo "stereo-init: $1" >/dev/console 2>/dev/null || echo "stereo-init: $1"
	exit 1
}

# busybox finds its own commands through /proc, which therefore comes first and by its whole name.
# Nobody but root sees the processes of others.
/bin/busybox mount -t proc -o nosuid,nodev,noexec,hidepid=invisible proc /proc || exit 1
mount -t devtmpfs -o nosuid,noexec dev /dev || fail "no /dev"
mount -t sysfs -o nosuid,nodev,noexec sys /sys || fail "no /sys"

# One process for many modules, and two at a time: starting a process costs about 50 ms under TCG.
read -r rest_modules </modules/rest
modprobe -a $rest_modules &
rest=$!
read -r root_modules </modules/root
modprobe -a $root_modules || fail "a module for the root disk does not load"

# The kernel goes on with what it has when this archive is damaged: its last word is the sum over all of it.
if dmesg | grep -q 'Initramfs unpacking failed'; then fail "the initramfs is damaged"; fi

# stereo.root=ROOTHASH:SALT:BLOCKS
root=
read -r line </proc/cmdline
for word in $line; do
	case $word in stereo.root=*) root=${word#*=} ;; esac
done
[ -n "$root" ] || fail "the kernel command line has no stereo.root=HASH:SALT:BLOCKS"
hash=${root%%:*}
blocks=${root##*:}
salt=${root#*:}
salt=${salt%:*}

# The root is the disk that QEMU calls stereo-root (direct boot), or on any kind of disk the partition that is named
# by the beginning of the hash (UEFI boot). Which one is found decides nothing: dm-verity reads no block that
# does not belong to the hash, so a wrong or a second disk can keep the machine from starting, and no more.
label=${hash:0:32}

# Gives the name of a block device in $found: the disk with the serial $1, or the partition with the name $2.
find_disk() {
	found=
	for dir in /sys/class/block/*; do
		for file in $dir/serial $dir/device/serial; do
			serial=
			[ ! -r $file ] || read -r serial <$file
			[ "$serial" != "$1" ] || found=${dir##*/}
		done
		while IFS== read -r key value; do
			[ "$key=$value" != "PARTNAME=$2" ] || found=${dir##*/}
		done <$dir/uevent
		[ -z "$found" ] || return 0
	done
	return 1
}

tries=0
until find_disk stereo-root $label; do
	tries=$((tries + 1))
	[ $tries -lt 200 ] || fail "no disk with the serial stereo-root and no partition named $label after 10 s"
	usleep 50000
done
dmsetup create --readonly root --table \
	"0 $((blocks * 8)) verity 1 /dev/$found /dev/$found 4096 4096 $blocks $blocks sha256 $hash $salt 1 panic_on_corruption" ||
	fail "dm-verity refuses the root disk: is it the image's own?"
mount -t erofs -o ro,nosuid,nodev /dev/mapper/root /root || fail "the root file system does not mount"

mount -t tmpfs -o nosuid,nodev,noexec,mode=0755,size=20% run /root/run || fail "no /run"
# The guest agent's own way to units; sockets need no owner of their own in there, which would take six processes.
mkdir -m 0700 /root/run/stereo-units
chown 988:988 /root/run/stereo-units
mkdir /dev/shm
mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 shm /dev/shm || fail "no /dev/shm"
mount -t tmpfs -o nosuid,nodev,mode=1777 tmp /root/tmp || fail "no /tmp"
mount -t tmpfs -o nosuid,nodev,noexec,mode=0755 var /root/var || fail "no /var"
mkdir -m 755 /root/var/cache /root/var/empty /root/var/lib /root/var/log || fail "no folders in /var"
mkdir -m 1777 /root/var/tmp || fail "no /var/tmp"
ln -s /run /root/var/run

if find_disk stereo-data none; then
	mount -t ext4 -o nosuid,nodev,noatime /dev/$found /root/home/agent || fail "the data disk ($found) does not mount"
else
	mount -t tmpfs -o nosuid,nodev,mode=0700,uid=1000,gid=1000 home /root/home/agent || fail "no /home/agent"
fi
wait $rest || fail "a module for the network or a device does not load"
echo 1 >/proc/sys/kernel/modules_disabled || fail "modules cannot be forbidden"
sysctl -q -p /root/etc/sysctl.d/50-stereo.conf || fail "a sysctl of /etc/sysctl.d/50-stereo.conf is refused"

# There is no udev: the agent's two ports by their names, for systemd to open. The host tells the names a moment after
# the driver has found the device; a machine without that device has none.
mkdir /dev/virtio-ports
link_ports() {
	for port in /sys/class/virtio-ports/*; do
		[ -e "$port/name" ] && read -r name <"$port/name" && ln -sf "/dev/${port##*/}" "/dev/virtio-ports/$name"
	done
}
tries=0
link_ports
while [ ! -e /dev/virtio-ports/stereo.uplink ] && [ $tries -lt 100 ]; do
	ls -d /sys/bus/virtio/drivers/virtio_console/virtio* >/dev/null 2>&1 || break
	tries=$((tries + 1))
	usleep 50000
	link_ports
done

# Node's pages are read while systemd starts on another CPU; both guest programs then begin a second sooner.
if [ -d /sys/devices/system/cpu/cpu1 ] && [ -x /root/usr/bin/node ]; then
	/bin/busybox chroot /root /usr/bin/node -e 0 &
fi
for dir in dev sys proc; do
	/bin/busybox mount --move /$dir /root/$dir || fail "/$dir does not move"
done
exec /bin/busybox switch_root /root /usr/lib/systemd/systemd
