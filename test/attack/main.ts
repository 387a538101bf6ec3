/** `make attack`: a machine in a world of its own (world.sh), and the whole battery on it. Arguments go to `stereo egress attack`. */

import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openTestHome, type TestHome } from "../e2e/test-home.ts"

const MACHINE = "target"
const UPSTREAM_PORT = 8099
/** Every allowed host is really the upstream canary, so that what is let through is seen, byte by byte. */
const HOSTS = ["github.com", "api.github.com", "registry.npmjs.org", "echo.allowed.example"]
const SETS = ["anthropic", "npm", "git-example", "attack-world"]

const [weaken, ...args] =
  process.argv[2] === "--weakened" ? process.argv.slice(2) : ["", ...process.argv.slice(2)]
const dir = mkdtempSync(join(tmpdir(), "stereo-attack-"))
try {
  process.exitCode = await run()
} finally {
  rmSync(dir, { recursive: true, force: true })
}

async function run(): Promise<number> {
  const world = makeWorld()
  // the host service believes the canary's certificate: a leak to it is a whole one
  process.env["NODE_EXTRA_CA_CERTS"] = world.certificateFile
  await using home = openTestHome(renderHostToml())
  const card = join(dir, "jcard.toml")
  writeFileSync(card, renderCard())
  await home.watch(["up", card])
  const command = ["egress", "attack", MACHINE, "--card", card, "--world", world.file, ...args]
  return await attack(home, command)
}

async function attack(home: TestHome, command: readonly string[]): Promise<number> {
  const child = home.start(command)
  child.stdout.pipe(process.stdout)
  child.stderr.pipe(process.stderr)
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => child.kill(name))
  const code = await new Promise<number>((settle) => child.once("close", (ended) => settle(ended ?? 1)))
  if (code !== 0) process.stderr.write(readFileSync(join(home.root, "host", "host.log"), "utf8").slice(-3000))
  return code
}

function makeWorld(): { readonly file: string; readonly certificateFile: string } {
  const [keyFile, certificateFile] = [join(dir, "key.pem"), join(dir, "certificate.pem")]
  const names = ["evil.example", "*.evil.example", "*.rebind.example"].map((name) => `DNS:${name}`).join(",")
  const subject = ["-subj", "/CN=canary of stereo egress attack", "-addext", `subjectAltName=${names}`]
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
  execFileSync("openssl", ["req", ...kind, ...subject, "-keyout", keyFile, "-out", certificateFile], {
    stdio: "ignore",
  })
  const file = join(dir, "world.json")
  const world = {
    upstreamPort: UPSTREAM_PORT,
    certificate: readFileSync(certificateFile, "utf8"),
    key: readFileSync(keyFile, "utf8"),
  }
  writeFileSync(file, JSON.stringify(world), { mode: 0o600 })
  return { file, certificateFile }
}

function renderHostToml(): string {
  const url = `http://127.0.0.1:${UPSTREAM_PORT}`
  const upstreams = HOSTS.map(
    (host) => `[[upstream]]\nhost = "${host}"\nurl = "${url}"\nwhy = "the canary plays it"\n`,
  )
  return `[providers.anthropic]\nkey = "sk-ant-real-key-of-the-attacked-host"\nupstream = "${url}"\n\n${upstreams.join("\n")}`
}

/** `--weakened` opens a host of the attacker: the battery must see that something gets through. */
function renderCard(): string {
  const sets = weaken === "" ? SETS : [...SETS, "weakened"]
  return `name = "${MACHINE}"\nimage = "base"\n\n[egress]\nsets = [${sets.map((set) => `"${set}"`).join(", ")}]\n`
}
