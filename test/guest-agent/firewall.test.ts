import { execFileSync } from "node:child_process"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { GATEWAY, GUEST_USERS } from "../../contract/wire.ts"
import { GuestLab, labProblem } from "./guest-lab.ts"

const problem = labProblem()
const AGENT = GUEST_USERS.agent.uid
const ROOT = GUEST_USERS.root.uid
const CAPTURE = GUEST_USERS.capture.uid
const OUTSIDE = "93.184.216.34"

/** Sends a payload by plain sockets, raw or bound to a device (25) too, and prints what became of it. */
const TRY = `
use Socket; my ($kind, $host, $port, $device) = @ARGV; $SIG{ALRM} = sub { print "timeout"; exit }; alarm 3;
my %kinds = (tcp => [SOCK_STREAM, 6], udp => [SOCK_DGRAM, 17], icmp => [SOCK_RAW, 1], gre => [SOCK_RAW, 47]);
my ($type, $proto) = @{$kinds{$kind}}; my ($s, $got);
socket($s, PF_INET, $type, $proto) && (!$device || setsockopt($s, SOL_SOCKET, 25, $device)) && connect($s, sockaddr_in($port, inet_aton($host)))
  && defined(send($s, "\\x08\\x00\\xf7\\xff\\0\\0\\0\\0", 0)) && defined(recv($s, $got, 100, 0)) or do { print "refused: $!"; exit };
print "got $got";`
/** Says one thing to everybody who connects. */
const LISTEN = `
use Socket; my ($host, $port, $says) = @ARGV; socket(my $s, PF_INET, SOCK_STREAM, 6) or die $!;
setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1); bind($s, sockaddr_in($port, inet_aton($host))) or die $!; listen($s, 9);
$| = 1; print "ready"; while (accept(my $c, $s)) { send($c, $says, 0); close $c }`

describe("the packet filter", () => {
  let lab: GuestLab
  beforeEach((context) => {
    if (problem) context.skip(problem)
  })
  beforeAll(async () => {
    if (problem) return
    lab = new GuestLab()
    await listen(CAPTURE, 3180, "capture", true)
    await listen(AGENT, 8080, "own service", true)
    await listen(ROOT, GATEWAY.port, "gateway", false)
  })
  afterAll(() => lab?.[Symbol.dispose]())

  async function listen(uid: number, port: number, says: string, inside: boolean): Promise<void> {
    const command = ["perl", "-e", LISTEN, inside ? "127.0.0.1" : "0.0.0.0", String(port), says]
    const child = inside ? lab.start(uid, command) : lab.startOutside(command)
    child.stderr?.pipe(process.stderr)
    await new Promise((resolve) => child.stdout?.once("data", resolve))
  }

  const attempt = (uid: number, kind: string, host: string, port: number) =>
    lab.run(uid, ["perl", "-e", TRY, kind, host, String(port)])

  it("lets the capture proxy reach the gateway, and nothing but the gateway", async () => {
    expect((await attempt(CAPTURE, "tcp", GATEWAY.address, GATEWAY.port)).stdout).toContain("got gateway")
    const before = lab.witnessed()
    expect(before.gateway).toBeGreaterThan(0)
    for (const [host, port] of [
      [OUTSIDE, 443],
      [GATEWAY.address, 80],
      ["10.0.2.2", GATEWAY.port],
    ] as const) {
      expect((await attempt(CAPTURE, "tcp", host, port)).stdout).toContain("refused: Connection refused")
    }
    expect((await attempt(CAPTURE, "udp", GATEWAY.address, GATEWAY.port)).stdout).toContain(
      "refused: Operation not permitted",
    )
    expect(lab.witnessed()).toEqual(before)
  })

  it.each([
    ["the agent", AGENT],
    ["root", ROOT],
  ])("refuses %s the gateway itself", async (_who, uid) => {
    const before = lab.witnessed()
    const tried = await attempt(uid, "tcp", GATEWAY.address, GATEWAY.port)
    expect(tried.stdout).toContain("refused: Connection refused")
    expect(lab.witnessed()).toEqual(before)
  })

  it.each([
    ["TCP", "tcp", OUTSIDE, 22, "refused_tcp", AGENT],
    ["TCP of root", "tcp", OUTSIDE, 25, "refused_tcp", ROOT],
    ["QEMU's own address", "tcp", "10.0.2.2", 22, "refused_tcp", AGENT],
    ["UDP", "udp", OUTSIDE, 443, "refused_udp", AGENT],
    ["DNS over UDP", "udp", "8.8.8.8", 53, "refused_dns", AGENT],
    ["DNS over TCP", "tcp", "8.8.8.8", 53, "refused_dns", AGENT],
    ["ping", "icmp", OUTSIDE, 0, "refused_icmp", ROOT],
    ["another protocol", "gre", OUTSIDE, 0, "refused_other", ROOT],
    ["the guest's own outer address", "tcp", GATEWAY.guestAddress, 3180, "refused_loopback", AGENT],
    ["the proxy calling a service of the agent", "tcp", "127.0.0.1", 8080, "refused_loopback", CAPTURE],
  ])(
    "refuses %s at once, by its own rule, and the witness sees nothing",
    async (_name, kind, host, port, counter, uid) => {
      const [before, refused] = [lab.witnessed(), lab.refused(counter)]
      const tried = await attempt(uid, kind, host, port)
      expect(tried.stdout).toMatch(/^refused: (Connection refused|Operation not permitted|No route to host)/)
      expect(lab.refused(counter)).toBeGreaterThan(refused)
      expect(lab.witnessed()).toEqual(before)
    },
  )

  it.each([
    ["the agent", AGENT],
    ["root", ROOT],
  ])("turns port 80 of any host over to the capture proxy, for %s", async (_who, uid) => {
    const before = lab.witnessed()
    expect((await attempt(uid, "tcp", OUTSIDE, 80)).stdout).toContain("got capture")
    expect(lab.witnessed()).toEqual(before)
  })

  it.each([
    ["UDP for 127.0.0.1", "udp", "127.0.0.1", 9999],
    ["TCP for 127.0.0.1", "tcp", "127.0.0.1", 8080],
    ["what is turned over to the proxy", "tcp", OUTSIDE, 80],
  ])("keeps %s inside, also from a socket that is bound to the card", async (_name, kind, host, port) => {
    const [before, refused] = [lab.witnessed(), lab.refused("refused_bound")]
    const tried = await lab.run(AGENT, ["perl", "-e", TRY, kind, host, String(port), "eth0"])
    expect(tried.stdout).toMatch(/^(refused: Operation not permitted|timeout)/)
    expect(lab.refused("refused_bound")).toBeGreaterThan(refused)
    expect(lab.witnessed()).toEqual(before)
  })

  it("leaves services on the loopback address alone", async () => {
    expect((await attempt(AGENT, "tcp", "127.0.0.1", 8080)).stdout).toContain("got own service")
    expect((await attempt(AGENT, "tcp", "127.0.0.1", 80)).stdout).toContain("refused: Connection refused")
  })

  it("takes no connection from outside, not even to a port that somebody listens on", async () => {
    const before = lab.refused("refused_input")
    const child = lab.startOutside(["perl", "-e", TRY, "tcp", GATEWAY.guestAddress, "8080"])
    const printed = await new Promise((resolve) =>
      child.stdout?.once("data", (chunk) => resolve(String(chunk))),
    )
    expect(printed).toContain("timeout")
    expect(lab.refused("refused_input")).toBeGreaterThan(before)
  })

  it("is syntactically sound for nft, and loads over itself", () => {
    const file = `${lab.dir}/firewall.nft`
    expect(() =>
      execFileSync("unshare", ["-n", "sh", "-ec", `nft -c -f ${file}; nft -f ${file}; nft -f ${file}`]),
    ).not.toThrow()
  })
})
