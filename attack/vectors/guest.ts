/** G5, from the agent to the proxy's user or to root, inside the guest. */

import type { Gain, SystemCall, Vector } from "../vector.ts"

export const guestVectors: readonly Vector[] = [
  shell(
    "80-sudo",
    "sudo, su, pkexec, doas and run0",
    "uid",
    "for p in sudo su pkexec doas run0; do $p -n sleep 20 2>&1 & done; wait",
  ),
  { ...shell("80-setuid-files", "setuid and setgid files", "setuid-file", "true") },
  shell(
    "80-newuidmap",
    "newuidmap and its kin",
    "uid",
    "unshare -Ur --map-auto sleep 20; newuidmap $$ 0 0 1; newgidmap $$ 0 0 1",
  ),
  shell(
    "80-scheduler",
    "cron, at and units of systemd",
    "uid",
    "at now </dev/null; crontab -l; systemd-run --pty sleep 20; systemd-run --user sleep 20; systemctl start x.service",
  ),
  calls("81-user-namespace", "a user namespace of its own", "namespace", [
    { number: 272, args: [0x10000000] },
  ]),
  calls("81-network-namespace", "a network namespace of its own", "namespace", [
    { number: 272, args: [0x40000000] },
  ]),
  calls("81-io-uring", "io_uring", "descriptor", [{ number: 425, args: [8, "00".repeat(120)] }]),
  calls("81-vsock", "AF_VSOCK", "descriptor", [{ number: 41, args: [40, 1, 0] }]),
  calls("81-alg", "AF_ALG", "descriptor", [{ number: 41, args: [38, 5, 0] }]),
  calls("81-tipc", "AF_TIPC", "descriptor", [{ number: 41, args: [30, 5, 0] }]),
  calls("81-xdp", "AF_XDP", "descriptor", [{ number: 41, args: [44, 3, 0] }]),
  calls("81-bpf", "a map of bpf()", "descriptor", [
    { number: 321, args: [0, "01000000040000000400000001000000".padEnd(144, "0"), 72] },
  ]),
  calls("81-perf", "perf_event_open", "descriptor", [
    { number: 298, args: [`01000000${"70000000"}${"00".repeat(104)}`, -1, 0, -1, 0] },
  ]),
  calls("81-userfaultfd", "userfaultfd", "descriptor", [{ number: 323, args: [0] }]),
  calls("82-ptrace", "ptrace of the capture proxy", "tracer", [
    { number: 101, args: [16, "{pid:capture}", 0, 0] },
    { number: 101, args: [0x4206, "{pid:capture}", 0, 0] },
  ]),
  shell(
    "82-memory",
    "the capture proxy's memory",
    "descriptor",
    "exec 9<>/proc/{pid:capture}/mem && sleep 20",
  ),
  shell(
    "82-environment",
    "the capture proxy's environment and descriptors",
    "descriptor",
    "exec 9</proc/{pid:capture}/environ && sleep 20; ls -l /proc/{pid:capture}/fd",
  ),
  calls("82-pidfd-getfd", "a descriptor of the capture proxy", "descriptor", [
    { number: 434, args: ["{pid:capture}", 0] },
    { number: 438, args: ["{result:0}", 3, 0] },
  ]),
  {
    id: "85-forged-claims",
    group: "G5",
    title: "headers that only the proxy may send, from the agent",
    from: ["agent"],
    how: {
      kind: "web",
      to: "https",
      host: "{m}.evil.example",
      headers: {
        "stereo-exchange": "0".repeat(26),
        "stereo-sni": "api.anthropic.com",
        "stereo-verdict": "allow",
      },
    },
    expected: "403",
  },
  {
    id: "85-gateway-as-agent",
    group: "G5",
    title: "the gateway itself, past the proxy, as the agent's user",
    from: ["agent"],
    how: { kind: "tcp", host: "10.0.2.100", port: 3128 },
    expected: "REF",
    seenIn: "agent-glovebox#2433: a helper's socket that the agent's user owned was replaced by a yes-man",
  },
  shell(
    "87-kill-proxy",
    "the capture proxy killed by the agent",
    "proxy-gone",
    "kill -9 {pid:capture}; pkill -9 -f capture.mjs",
  ),
  {
    id: "87-root-kills-proxy",
    group: "G5",
    title: "the capture proxy killed by root: requests fail until it is there again",
    from: ["root"],
    how: {
      kind: "shell",
      script:
        "pkill -9 -f capture.mjs; for n in 1 2 3 4 5; do curl -s -m 1 https://{m}.evil.example/ && break; sleep 0.5; done",
      deadlineMs: 10_000,
    },
    expected: "GST",
  },
  {
    id: "87-clock",
    group: "G5",
    title: "the guest's clock set to another year",
    from: ["root"],
    how: {
      kind: "shell",
      script:
        "now=$(date +%s); date -s @4000000000; curl -s -k -m 3 https://{m}.evil.example/; date -s @$now",
      deadlineMs: 8000,
    },
    expected: "GST",
  },
  shell(
    "88-forged-envelope",
    "an account of an exchange that never was, to the agent's socket",
    "descriptor",
    "exec 9<>/run/stereo/agent/envelopes.sock; curl -s -m 2 --http2-prior-knowledge --unix-socket /run/stereo/agent/envelopes.sock -d '[]' http://agent/envelopes",
  ),
]

function shell(id: string, title: string, gain: Gain, script: string): Vector {
  return { id, group: "G5", title, from: ["agent"], how: { kind: "shell", script }, expected: "ABS", gain }
}

function calls(id: string, title: string, gain: Gain, list: readonly SystemCall[]): Vector {
  return {
    id,
    group: "G5",
    title,
    from: ["agent"],
    how: { kind: "calls", calls: list },
    expected: "ABS",
    gain,
  }
}
