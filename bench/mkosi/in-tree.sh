#!/bin/sh
# Runs a command in a tree of Debian's, as root, with the host's network: in-tree.sh TREE WORK COMMAND...
# Nothing is written into the tree; WORK is /work there and holds /var/tmp too. Mounts and processes end with the command.
set -eu
exec unshare --mount --pid --fork --kill-child sh -eu -c '
	tree=$1 work=$2
	shift 2
	mount -t tmpfs none /mnt
	mkdir /mnt/upper /mnt/scratch /mnt/root
	mount -t overlay -o "lowerdir=$tree,upperdir=/mnt/upper,workdir=/mnt/scratch" tree /mnt/root
	cd /mnt/root
	mkdir -p work "$work/tmp"
	mount --bind "$work" work
	mount --bind "$work/tmp" var/tmp
	mount -t proc proc proc
	mount --rbind /dev dev
	mount --rbind /sys sys
	mount -t tmpfs none tmp
	mount -t tmpfs none run
	cp /etc/resolv.conf etc/resolv.conf
	exec chroot . env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 TERM=dumb "$@"' sh "$@"
