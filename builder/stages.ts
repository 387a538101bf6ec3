/** Runs the stages of one build: each shown, timed, logged, and taken from the cache when nothing changed. */

import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../contract/fault.ts"
import type { Home } from "../contract/home.ts"
import type { Progress } from "../contract/progress.ts"
import type { SigningChoice } from "../trust/signer.ts"
import type { DebianSettings } from "./apt.ts"
import { cachedStage, stageKey } from "./stage-cache.ts"

export interface StageRow {
  readonly stage: string
  readonly seconds: number
  readonly cached: boolean
}

export interface BuildContext {
  readonly home: Home
  readonly progress: Progress
  readonly signal: AbortSignal
  /** Where Debian is, where that is not what the host's apt says. */
  readonly debian?: DebianSettings
  /** Take packages from the store alone. */
  readonly offline?: boolean
  /** Texts of the locks that a finished image carries, to go by instead of those of the project. */
  readonly locks?: { readonly image: string; readonly tools: string }
  /** Where packages of a lock are gone, go on with those of today, for this home alone. */
  readonly relock?: boolean
  /** Who signs what is built; absent: the home's own key. */
  readonly signing?: SigningChoice
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** What a stage needs to start processes. */
export interface Runner {
  readonly logFile: string
  readonly signal: AbortSignal
}

export interface StageCall {
  readonly name: string
  readonly title: string
  /** Everything that the result depends on. */
  readonly inputs: unknown
  /** Fills an empty folder. */
  readonly make: (dir: string) => Promise<void>
  /** The folder of all results, by default one of the cache. */
  readonly stageDir?: string
}

export interface Stages {
  readonly runner: Runner
  /** What has been done, in the order of the beginnings. */
  readonly rows: readonly StageRow[]
  /** Gives the folder of the stage's result; made if it is new. */
  stage(request: StageCall): Promise<string>
  /** A step that is always done. */
  plain<Result>(
    name: string,
    title: string,
    work: (note: (text: string) => void) => Promise<Result>,
  ): Promise<Result>
  /**
   * Runs what does not need each other at the same time. When one fails, the programs of the others are ended, and
   * its error is thrown once all of them are over: no process and no half result outlives the build.
   */
  sideBySide<Results extends readonly unknown[]>(
    works: {
      readonly [Index in keyof Results]: () => Promise<Results[Index]>
    },
  ): Promise<Results>
}

/** From here on there are files of the image to look at. */
const FIRST_WITH_TREE = "rootfs-root"

function addHint({ code, message, hint, cause }: Fault, wayIn: string, logFile: string): Fault {
  const log = hint?.includes(logFile) ? [] : [`the log is ${logFile}`]
  return new Fault(code, message, {
    hint: [hint, ...log, `to look into the tree: ${wayIn}`].filter(Boolean).join("; "),
    cause,
  })
}

/**
 * `name` names the log of the build, in the cache; `wayIn` is the command that shows the tree of a build, which the
 * failure of a stage that had one names.
 */
export async function openStages(context: BuildContext, name: string, wayIn?: string): Promise<Stages> {
  const logFile = join(context.home.cache, "logs", `${name}.log`)
  await mkdir(join(context.home.cache, "logs"), { recursive: true })
  await rm(logFile, { force: true })
  const ended: (StageRow & { readonly order: number })[] = []
  let begun = 0
  const failed = new AbortController()
  const signal = AbortSignal.any([context.signal, failed.signal])
  const timed = async <Result>(stage: string, work: () => Promise<{ result: Result; cached: boolean }>) => {
    signal.throwIfAborted()
    const startedAtMs = context.now()
    const order = begun++
    const { result, cached } = await work().catch((thrown: unknown) => {
      const hasTree = ended.some((row) => row.stage === FIRST_WITH_TREE)
      throw hasTree && wayIn !== undefined && thrown instanceof Fault
        ? addHint(thrown, wayIn, logFile)
        : thrown
    })
    ended.push({ stage, seconds: (context.now() - startedAtMs) / 1000, cached, order })
    return result
  }
  return {
    get rows() {
      const inOrder = ended.toSorted((left, right) => left.order - right.order)
      return inOrder.map(({ order: _order, ...row }) => row)
    },
    runner: { logFile, signal },
    stage: ({ name: stage, title, inputs, make, stageDir = join(context.home.cache, stage) }) =>
      timed(stage, () =>
        context.progress.step(title, async (note) => {
          const { dir, cached } = await cachedStage({ stageDir, key: stageKey(inputs), make })
          if (cached) note("cached")
          return { result: dir, cached }
        }),
      ),
    plain: (stage, title, work) =>
      timed(stage, async () => ({ result: await context.progress.step(title, work), cached: false })),
    sideBySide: (works) => allOrFirstError(works, failed),
  }
}

async function allOrFirstError<Results extends readonly unknown[]>(
  works: { readonly [Index in keyof Results]: () => Promise<Results[Index]> },
  failed: AbortController,
): Promise<Results> {
  const running = works.map((work) => work())
  const first = Promise.all(running).catch((thrown: unknown) => {
    failed.abort(thrown)
    throw thrown
  })
  await Promise.allSettled([...running, first])
  return (await first) as unknown as Results
}
