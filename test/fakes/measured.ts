/** What the fake guest says that it is, unless a test has it say something else. */

import type { Measured } from "../../contract/measurement.ts"

const rule = (expr: readonly unknown[]) => ({
  rule: { family: "inet", table: "stereo", chain: "output", handle: 1, expr },
})

export const FAKE_MEASURED: Measured = {
  kind: "measured",
  bootId: "fake-boot",
  agentId: "fake-agent-1",
  changed: false,
  ruleset: {
    nftables: [
      { metainfo: { version: "1.1.3" } },
      { table: { family: "inet", name: "stereo", handle: 1 } },
      {
        chain: {
          ...{ family: "inet", table: "stereo", name: "output", handle: 1 },
          ...{ type: "filter", hook: "output", prio: 0, policy: "drop" },
        },
      },
      rule([{ match: { op: "==", left: { meta: { key: "skuid" } }, right: 990 } }, { accept: null }]),
      rule([{ drop: null }]),
    ],
  },
  units: [{ path: "/usr/lib/systemd/system/a.service", kind: "file", content: "0".repeat(64), mode: "0644" }],
  root: {
    hash: "0".repeat(64),
    mount: "erofs /dev/mapper/root ro",
    device: "dm root ro on vda",
    covered: ["/etc/machine-id"],
  },
}
