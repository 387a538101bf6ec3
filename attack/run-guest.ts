/** Runs the guest's half: sends the scripts over the command's own input, takes reports, and lets an inspector look. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { Report } from "./evidence.ts"
import { renderSyscallProgram } from "./guest/render-syscall-program.ts"
import type { AttackTarget } from "./target.ts"
import type { AttackCase } from "./vector.ts"

export interface GuestPart {
  readonly name: "probes" | "gateway" | "flushed"
  readonly cases: readonly AttackCase[]
}

export interface GuestRun {
  readonly user: "agent" | "root"
  readonly nonce: string
  readonly parts: readonly GuestPart[]
  readonly canaryPort: number
  /** Called with each report as it comes. */
  readonly onReport: (marker: string) => void
  /** Called when all has been tried, while what was won is still held. */
  readonly whileHeld: () => Promise<void>
}

const FILES = [
  "main.mjs",
  "held.mjs",
  "kernel.mjs",
  "frames.mjs",
  "sockets.mjs",
  "gateway-job.mjs",
  "gateway.mjs",
]
/** Two CPUs, often emulated: more at a time would only wait for each other. */
const AT_A_TIME = 2
/** A guest that says more than this for one vector is not answering. */
const MAX_LINE = 10_000

const report = z.object({ id: z.string(), ms: z.number().min(0), remark: z.string() })
const line = z.union([z.object({ done: z.literal(true) }), report])

/** Reports by marker. They say that something was tried and how long it took; nothing is judged by them. */
export async function runGuest(target: AttackTarget, run: GuestRun): Promise<ReadonlyMap<string, Report>> {
  const { user, nonce, parts } = run
  const tasks = (cases: readonly AttackCase[]) =>
    quietFirst(cases).map(({ marker, vector }) => ({
      id: marker,
      marker,
      canary: run.canaryPort,
      how: vector.how,
    }))
  const job = {
    // of root too: it is the one folder of the machine that root may write and start programs from
    dir: `/home/agent/.stereo-attack-${user}-${nonce}`,
    ...{ nonce, main: "main.mjs", atATime: AT_A_TIME, files: await readScripts(FILES) },
    parts: parts.map(({ name, cases }) => ({ name, tasks: tasks(cases) })),
  }
  const reports = new Map<string, Report>()
  const guest = target.start(user, ["node", "-e", BOOTSTRAP])
  try {
    guest.send(JSON.stringify(job))
    for (let next = await guest.lines.next(); ; next = await guest.lines.next()) {
      if (next.done) throw ended(user, guest.complaints())
      const said = parseLine(next.value)
      if ("done" in said) break
      reports.set(said.id, { ms: said.ms, remark: said.remark })
      run.onReport(said.id)
    }
    await run.whileHeld()
  } finally {
    await guest.end()
  }
  return reports
}

/** What floods comes last, so that the others' times are their own. */
function quietFirst(cases: readonly AttackCase[]): readonly AttackCase[] {
  const floods = ({ vector: { how } }: AttackCase) =>
    how.kind === "shell" || (how.kind === "dns" && "repeat" in how)
  return [...cases.filter((one) => !floods(one)), ...cases.filter(floods)]
}

/** Runs the inspector as root and gives its one line. */
export async function runInspector(target: AttackTarget, nonce: string): Promise<unknown> {
  const guest = target.start("root", ["node", "-e", BOOTSTRAP])
  try {
    const files = await readScripts(["inspect.mjs"])
    guest.send(JSON.stringify({ dir: `/run/.stereo-inspect-${nonce}`, nonce, main: "inspect.mjs", files }))
    const next = await guest.lines.next()
    if (next.done) throw ended("root", guest.complaints())
    return JSON.parse(next.value)
  } finally {
    await guest.end()
  }
}

/**
 * Writes what the first line of its input holds, runs it, and takes it away again, also when it is stopped.
 * SIGPIPE stays ignored, as Node.js has it: a probe that writes to who has hung up must not end the others.
 */
const BOOTSTRAP = `
const fs=require("fs");let dir=null;
const clean=()=>{if(dir)fs.rmSync(dir,{recursive:true,force:true})};
for(const s of ["SIGINT","SIGTERM","SIGHUP"])process.on(s,()=>{process.stderr.write("ended by "+s);clean();process.exit(1)});
process.stdout.on("error",()=>{clean();process.exit(1)});
(async()=>{
const lines=require("readline").createInterface({input:process.stdin})[Symbol.asyncIterator]();
const job=JSON.parse((await lines.next()).value);dir=job.dir;
fs.mkdirSync(dir,{recursive:true});
for(const f of job.files)fs.writeFileSync(dir+"/"+f.name,Buffer.from(f.base64,"base64"),{mode:0o755});
try{await (await import(dir+"/"+job.main)).main(job,lines)}finally{clean()}
process.exit(0)})().catch(e=>{process.stderr.write(String(e.stack));clean();process.exit(1)})`

async function readScripts(names: readonly string[]) {
  const dir = join(import.meta.dirname, "guest")
  const scripts = await Promise.all(
    names.map(async (name) => ({ name, base64: (await readFile(join(dir, name))).toString("base64") })),
  )
  return [...scripts, { name: "syscall", base64: renderSyscallProgram().toString("base64") }]
}

function parseLine(text: string): z.infer<typeof line> {
  try {
    return line.parse(JSON.parse(text.slice(0, MAX_LINE)))
  } catch (thrown) {
    throw new Fault("attack/bad-report", `the guest's half said what is no report: ${reasonOf(thrown)}`)
  }
}

function ended(user: string, complaints: string): Fault {
  return new Fault("attack/guest-ended", `the attack as ${user} ended before it was done`, {
    hint: complaints.slice(-500) || "`stereo logs` shows the guest's console",
  })
}
