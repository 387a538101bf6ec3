/** The host's apt in a folder of its own: its network settings and Debian's keys, and nothing else of the host's. */

import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../contract/fault.ts"
import { type Attempt, attempt, type RunRequest, run } from "./run.ts"

/** What may be said in the environment; null: not said. */
export interface DebianSettings {
  /** STEREO_DEBIAN_MIRROR: where `dists/trixie` and `pool` are. */
  readonly mirror: string | null
  /** STEREO_DEBIAN_SECURITY_MIRROR: the same of `dists/trixie-security`. */
  readonly securityMirror: string | null
  /** STEREO_DEBIAN_SNAPSHOT: has `debian/TIME` and `debian-security/TIME`, asked for what mirrors no longer have. */
  readonly snapshot: string | null
  /** STEREO_DEBIAN_KEYRING: the keys that may sign Release files. */
  readonly keyring: string | null
}

export const NO_SETTINGS: DebianSettings = {
  mirror: null,
  securityMirror: null,
  snapshot: null,
  keyring: null,
}

export interface DebianSources {
  readonly main: string
  readonly security: string
  readonly keyring: string
}

export interface Apt {
  readonly sources: DebianSources
  readonly dir: string
  /** Runs a program of apt's; its standard output, or a fault with its last lines. */
  run(purpose: string, command: RunRequest["command"]): Promise<string>
  /** The same, with whatever way it ended. */
  attempt(purpose: string, command: RunRequest["command"], within?: readonly string[]): Promise<Attempt>
}

type Runner = Pick<RunRequest, "logFile" | "signal">

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
/** How the network is reached; nothing that changes what is trusted. */
const NETWORK_OPTION = /^Acquire::(?:https?(?:::.*)?|Queue-Mode|ForceIPv[46]|Retries) "[^"\n]*";$/

/** Where the host's own apt gets Debian from, whatever release, unless a setting says otherwise. */
export async function findDebianSources(settings: DebianSettings, runner: Runner): Promise<DebianSources> {
  const keyring = settings.keyring ?? KEYRING
  const found =
    settings.mirror === null ? await readHostSources(runner) : { main: settings.mirror, security: null }
  const main = withoutSlash(found.main)
  const security = settings.securityMirror ?? found.security ?? `${main}-security`
  return { main, security: withoutSlash(security), keyring }
}

async function readHostSources(runner: Runner): Promise<{ main: string; security: string | null }> {
  const printed = await run({
    ...runner,
    purpose: "where this host's apt gets Debian from",
    env: { LC_ALL: "C" },
    command: [
      "apt-get",
      "indextargets",
      "--no-release-info",
      "--format",
      "$(CREATED_BY) $(REPO_URI) $(RELEASE)",
    ],
  })
  const rows = printed.split("\n").flatMap((line) => {
    const [, uri = "", release = ""] = /^Packages (https?:\/\/\S+) (\S+)$/.exec(line) ?? []
    return uri === "" ? [] : [{ uri, release }]
  })
  const main = rows.find(({ uri }) => /\/debian\/?$/.test(uri))?.uri
  const security = rows.find(
    ({ uri, release }) => /\/debian-security\/?$/.test(uri) && /-security$/.test(release),
  )?.uri
  if (main !== undefined) return { main, security: security ?? null }
  throw new Fault("lock/no-mirror", "this host's apt gets nothing from a mirror of Debian", {
    hint: "set STEREO_DEBIAN_MIRROR to one: an address that ends in /debian",
  })
}

function withoutSlash(address: string): string {
  return address.replace(/\/+$/, "")
}

/** Fills the folder with a configuration that nothing of the host's but its network settings is part of. */
export async function openApt(
  sources: DebianSources,
  suite: string,
  dir: string,
  runner: Runner,
): Promise<Apt> {
  for (const folder of ["state/lists/partial", "cache/archives/partial", "log"]) {
    await mkdir(join(dir, folder), { recursive: true })
  }
  const network = await run({
    ...runner,
    purpose: "this host's network settings for apt",
    command: ["apt-config", "dump"],
  })
  const options = network.split("\n").filter((line) => NETWORK_OPTION.test(line))
  await writeFile(join(dir, "apt.conf"), [...renderConfig(dir), ...options, ""].join("\n"))
  await writeFile(join(dir, "status"), "")
  await writeFile(join(dir, "preferences"), "")
  await writeFile(join(dir, "sources.list"), renderSources(sources, suite))
  const env = { APT_CONFIG: join(dir, "apt.conf"), LC_ALL: "C" }
  return {
    sources,
    dir,
    run: (purpose, command) => run({ ...runner, purpose, command, env }),
    attempt: (purpose, command, within = []) => attempt({ ...runner, purpose, command, env, within }),
  }
}

function renderConfig(dir: string): string[] {
  const nothing = ["main", "parts", "sourceparts", "preferencesparts", "trusted", "trustedparts"]
  return [
    `Dir::State ${JSON.stringify(join(dir, "state"))};`,
    `Dir::State::status ${JSON.stringify(join(dir, "status"))};`,
    `Dir::Cache ${JSON.stringify(join(dir, "cache"))};`,
    `Dir::Log ${JSON.stringify(join(dir, "log"))};`,
    `Dir::Etc::sourcelist ${JSON.stringify(join(dir, "sources.list"))};`,
    `Dir::Etc::preferences ${JSON.stringify(join(dir, "preferences"))};`,
    ...nothing.map((name) => `Dir::Etc::${name} "/dev/null";`),
    'APT::Architecture "amd64";',
    'APT::Architectures { "amd64"; };',
    'APT::Install-Recommends "false";',
    // nobody else: the folder is the builder's own, and in a user namespace there is nobody else
    'APT::Sandbox::User "";',
    // what cannot be fetched or is not signed is an error, never a warning
    'APT::Update::Error-Mode "any";',
    'APT::Get::AllowUnauthenticated "false";',
    'Acquire::AllowInsecureRepositories "false";',
    'Acquire::AllowWeakRepositories "false";',
    'Acquire::AllowDowngradeToInsecureRepositories "false";',
    'Acquire::Check-Valid-Until "true";',
    'Acquire::Languages "none";',
    'Acquire::Retries "3";',
  ]
}

function renderSources({ main, security, keyring }: DebianSources, suite: string): string {
  const rows = [
    [main, suite],
    [main, `${suite}-updates`],
    [security, `${suite}-security`],
  ]
  return rows.map(([base, name]) => `deb [signed-by=${keyring}] ${base} ${name} main\n`).join("")
}
