/** QEMU's command line from an image's manifest and a machine's record; what a machine is made of, in one place. */

import type { MachineRecord } from "../../contract/machine-record.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { GATEWAY, VIRTIO_PORTS } from "../../contract/wire.ts"
import type { Command } from "../run.ts"

/** Where the sandbox shows the image's folder and its kernel (read-only), and the machine's own folder (writable). */
export const INSIDE = { image: "/i", kernel: "/k/vmlinux", machine: "/m" } as const

/** Pure: paths are those inside the sandbox, and no value can hold a comma that QEMU would read as its own. */
export function renderQemuArgs(manifest: Manifest, record: MachineRecord): Command {
  return {
    file: "/usr/bin/qemu-system-x86_64",
    args: [
      ...processor(record),
      ...kernel(manifest),
      ...disks(manifest),
      ...network(),
      ...ports(),
      ...observation(),
      // once everything is open, QEMU may neither start programs nor raise its rights
      ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ],
  }
}

function processor(record: MachineRecord): string[] {
  const { cpus, memoryMib } = record.resources
  return [
    ...["-name", `stereo-${record.name}`],
    // only the devices that stand here
    ...["-nodefaults", "-no-user-config"],
    ...["-machine", "q35,usb=off,vmport=off,graphics=off"],
    ...["-accel", record.accelerator === "tcg" ? "tcg,thread=multi" : "kvm"],
    ...["-cpu", "max", "-smp", String(cpus), "-m", `${memoryMib}M`],
    // a guest that panics or restarts ends, so that nobody waits for it
    ...["-no-reboot", "-display", "none", "-monitor", "none"],
    ...["-device", "virtio-rng-pci"],
  ]
}

function kernel(manifest: Manifest): string[] {
  return [
    ...["-kernel", INSIDE.kernel],
    ...["-initrd", `${INSIDE.image}/${manifest.files.initramfs.name}`],
    ...["-append", manifest.kernel.command_line],
  ]
}

/** The root is on dm-verity and opened read-only; the format is said, since a guest could write another's header. */
function disks(manifest: Manifest): string[] {
  const root = `file.filename=${INSIDE.image}/${manifest.files.root.name}`
  const data = `file.filename=${INSIDE.machine}/data.img`
  return [
    ...["-blockdev", `driver=raw,node-name=root,read-only=on,file.driver=file,${root},file.read-only=on`],
    ...["-device", "virtio-blk-pci,drive=root,serial=stereo-root"],
    ...["-blockdev", `driver=raw,node-name=data,discard=unmap,file.driver=file,${data},file.discard=unmap`],
    ...["-device", "virtio-blk-pci,drive=data,serial=stereo-data"],
  ]
}

/** One wire that ends in the host service's socket: no other address answers, inside or out. */
function network(): string[] {
  const forward = `guestfwd=tcp:${GATEWAY.address}:${GATEWAY.port}-chardev:egress`
  return [
    ...["-chardev", `socket,id=egress,path=${INSIDE.machine}/egress.sock,reconnect-ms=200`],
    ...["-netdev", `user,id=net,restrict=on,ipv6=off,${forward}`],
    ...["-device", "virtio-net-pci,netdev=net,mac=52:54:00:57:45:01,romfile="],
  ]
}

function ports(): string[] {
  return [
    ...["-device", "virtio-serial-pci,id=serial"],
    ...["control", "uplink"].flatMap((name, index) => [
      ...["-chardev", `socket,id=${name},path=${INSIDE.machine}/${name}.sock,server=on,wait=off`],
      "-device",
      `virtserialport,bus=serial.0,nr=${index + 1},chardev=${name},name=${name === "control" ? VIRTIO_PORTS.control : VIRTIO_PORTS.uplink}`,
    ]),
  ]
}

function observation(): string[] {
  return [
    // append: the sweep shortens a console that has grown too long, and writing goes on at its end
    ...[
      "-chardev",
      `file,id=console,path=${INSIDE.machine}/console.log,append=on`,
      "-serial",
      "chardev:console",
    ],
    ...["-qmp", `unix:${INSIDE.machine}/qmp.sock,server=on,wait=off`],
    ...["-msg", "timestamp=on"],
  ]
}
