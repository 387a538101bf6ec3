/** The smallest guest that can show that an accelerator really runs one. */

import type { Command } from "../run.ts"

/** What QEMU's exit code is when the guest has written `SIGNAL` to the exit device: (SIGNAL << 1) | 1. */
export const BOOTED_EXIT_CODE = 33

/** 16-bit code: write 0x10 to port 0xf4, then loop. Padded, since the firmware refuses a tiny disk. */
export function renderBootSector(): Buffer {
  const disk = Buffer.alloc(1024 * 1024)
  // mov dx, 0xf4 · mov al, 0x10 · out dx, al · jmp $
  Buffer.from([0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xeb, 0xfe]).copy(disk)
  disk.writeUInt16LE(0xaa55, 510)
  return disk
}

/** The same processor and firmware that a machine would have. */
export function renderProbeArgs(accelerator: "kvm" | "tcg"): Command {
  return {
    file: "/usr/bin/qemu-system-x86_64",
    args: [
      ...["-nodefaults", "-no-user-config", "-machine", "q35,usb=off,vmport=off,graphics=off"],
      ...["-accel", accelerator, "-cpu", "max", "-m", "64M"],
      ...["-no-reboot", "-display", "none", "-monitor", "none"],
      ...["-blockdev", "driver=raw,node-name=boot,read-only=on,file.driver=file,file.filename=/m/boot.img"],
      ...["-device", "virtio-blk-pci,drive=boot,bootindex=0"],
      ...["-device", "isa-debug-exit,iobase=0xf4,iosize=0x01"],
      ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ],
  }
}
