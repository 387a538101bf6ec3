/** What the inspector found, and what of it is a gain for which case. Pure. */

import { z } from "zod"
import type { AttackCase } from "./vector.ts"

export const inspection = z.object({
  processes: z.array(
    z.object({
      pid: z.int(),
      marker: z.string(),
      uids: z.array(z.int()),
      capabilities: z.string(),
      namespaces: z.record(z.string(), z.string()),
      /** The namespaces that its session was given: the machine's own, but for a view of the files of its own. */
      given: z.record(z.string(), z.string()),
      descriptors: z.array(z.string()),
    }),
  ),
  guardians: z.array(z.object({ name: z.string(), tracer: z.int(), ageSeconds: z.number() })),
  setuid: z.array(z.string()),
})
export type Inspection = z.infer<typeof inspection>

const AGENT_UID = 1000
/** Kinds of descriptors that the agent's user has no business with; sockets of TCP, UDP and unix are everyone's. */
const PRIVILEGED =
  /io_uring|bpf|userfaultfd|perf_event|\/proc\/\d+\/(?:mem|environ)|socket (?:packet|raw|icmp|of another)|\/run\/stereo\//

/** In words; `sinceSeconds` is how long the battery has been running. */
export function findGains(attack: AttackCase, seen: Inspection, sinceSeconds: number): readonly string[] {
  const own = seen.processes.filter(({ marker }) => marker === attack.marker)
  switch (attack.vector.gain) {
    case undefined:
      return []
    case "uid":
      return own
        .filter(({ uids }) => uids.some((uid) => uid !== AGENT_UID))
        .map(({ pid, uids }) => `process ${pid} runs with uids ${uids.join(" ")}`)
    case "capabilities":
      return own
        .filter(({ capabilities }) => !/^0+$/.test(capabilities))
        .map(({ pid, capabilities }) => `process ${pid} has capabilities ${capabilities}`)
    case "namespace":
      return own.flatMap(({ pid, namespaces, given }) =>
        Object.entries(namespaces)
          .filter(([name, link]) => link !== given[name])
          .map(([name]) => `process ${pid} is in another ${name} namespace`),
      )
    case "descriptor":
      return own.flatMap(({ pid, descriptors }) =>
        descriptors.filter((link) => PRIVILEGED.test(link)).map((link) => `process ${pid} holds ${link}`),
      )
    case "tracer":
      return seen.guardians.filter(({ tracer }) => tracer !== 0).map(({ name }) => `${name} is being traced`)
    case "proxy-gone":
      return seen.guardians.some(({ name, ageSeconds }) => name === "capture" && ageSeconds > sinceSeconds)
        ? []
        : ["the capture proxy that ran before is gone"]
    case "setuid-file":
      return seen.setuid.map((path) => `${path} is setuid or setgid`)
    default:
      return attack.vector.gain satisfies never
  }
}
