import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const program = fileURLToPath(new URL("call-own-address.ts", import.meta.url))

/** In a network namespace whose only address besides loopback is a public one. */
function callOwn(address: string, named: string): unknown {
  const bits = address.includes(":") ? "128 nodad" : "32"
  const script = [
    "ip link set lo up",
    `ip addr add ${address}/${bits} dev lo`,
    `exec '${process.execPath}' '${program}' ${address} ${named}`,
  ]
  const text = execFileSync("unshare", ["-n", "sh", "-ec", script.join("\n")], { encoding: "utf8" })
  return JSON.parse(text) as unknown
}

describe("an address of the host itself, although public,", () => {
  it.each(["8.9.10.11", "2606:4700::1234"])("is below the floor: %s", (address) => {
    expect(callOwn(address, "guest")).toEqual({ rule: "egress/floor", served: [] })
  })

  it("may be named by the operator", () => {
    expect(callOwn("8.9.10.11", "named")).toEqual({ rule: "200", served: ["/own"] })
  })
})
