import { readdirSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { parse, stringify } from "smol-toml"
import { describe, expect, it } from "vitest"
import { openLock } from "../../builder/make-lock.ts"
import { rebuildImage } from "../../builder/rebuild.ts"
import { resolvePlan } from "../../builder/resolve-plan.ts"
import { type BuildContext, openStages } from "../../builder/stages.ts"
import type { ImageLock } from "../../contract/image-lock.ts"
import { silentProgress } from "../../contract/progress.ts"
import { openDebianArchive } from "../fakes/debian-archive.ts"
import { projectDir } from "../rules/sources.ts"
import { type ArtifactLab, openArtifactLab, SOME_LOCK } from "./artifact-lab.ts"
import { HELPER, openLab, TOOL } from "./lock-lab.ts"

const COMMIT = "1f".repeat(20)

describe("an image that cannot be built again is refused with what to do", () => {
  it("for a reference that names none", async () => {
    using lab = openArtifactLab()
    await expect(rebuild(lab, "base")).rejects.toMatchObject({
      ...{
        code: "image/not-built",
        hint: expect.stringMatching(/^no image is built yet; .*stereo build NAME.*--profile PROFILE/),
      },
    })
    lab.store("base")
    await expect(rebuild(lab, "bass")).rejects.toMatchObject({
      ...{
        code: "image/not-built",
        message: 'there is no built image "bass"',
        hint: expect.stringMatching(/^built: base; /),
      },
    })
    await expect(rebuild(lab, "registry.example/base:1")).rejects.toMatchObject({
      ...{ code: "image/not-built", hint: expect.stringContaining("stereo pull") },
    })
  })

  it("for a manifest of another version: the first key that is unknown, and the commit of its provenance", async () => {
    using lab = openArtifactLab()
    const dir = lab.store("base", {
      ...{ manifest: { schema: 7, colour: "red" }, files: { "provenance.dsse.json": provenance(true) } },
    })
    const fault = await refusal(lab)
    expect(fault).toMatchObject({ code: "rebuild/other-version" })
    expect(fault.message).toMatch(/another version of stereo .*manifest\.toml:1: schema: .* \(and 1 more\)$/)
    expect(fault.message).not.toContain("\n")
    expect(fault.hint).toMatch(
      new RegExp(
        `${COMMIT}, with changes that were not committed.*git worktree add \\S+ ${COMMIT}.*images rebuild ${basename(dir).slice(0, 12)}$`,
      ),
    )
  })

  it("for a lock of another version", async () => {
    using lab = openArtifactLab()
    lab.store("base", { files: { "tools-lock.toml": "schema = 2\n" } })
    const fault = await refusal(lab)
    expect(fault).toMatchObject({
      code: "rebuild/other-version",
      hint: "use the checkout that it was built from",
    })
    expect(fault.message).toMatch(/tools-lock\.toml:1: schema: /)
  })

  it.each([
    [
      "a manifest that is gone",
      (dir: string) => rmSync(join(dir, "manifest.toml")),
      /manifest\.toml cannot be/,
    ],
    [
      "a manifest that was changed",
      (dir: string) => writeFileSync(join(dir, "manifest.toml"), "x"),
      /was changed/,
    ],
    ["a lock that is gone", (dir: string) => rmSync(join(dir, "lock.toml")), /\/lock\.toml cannot be read/],
    [
      "a lock that was changed",
      (dir: string) => writeFileSync(join(dir, "lock.toml"), "x"),
      /\/lock\.toml was ch/,
    ],
  ])("for %s", async (_what, damage, message) => {
    using lab = openArtifactLab()
    damage(lab.store("base"))
    const fault = await refusal(lab)
    expect(fault).toMatchObject({
      code: "rebuild/damaged",
      hint: expect.stringContaining("pull or build it"),
    })
    expect(fault.message).toMatch(message)
  })

  it("for a definition that is another, and one that is not there, with the commit that has it", async () => {
    using lab = openArtifactLab()
    lab.store("base", { files: { "provenance.dsse.json": provenance(false) } })
    const other = await refusal(lab)
    expect(other).toMatchObject({ code: "rebuild/other-plan" })
    expect(other.message).toMatch(/^image base is of plan 0{64}; .* here give [0-9a-f]{64}$/)
    expect(other.hint).toContain(`its provenance names commit ${COMMIT}: git worktree add`)
    lab.store("elsewhere", { manifest: { profile: "debug" } })
    expect((await refusal(lab, "elsewhere")).message).toMatch(
      /^image elsewhere-debug is of plan .* give none: there is no image "elsewhere"$/,
    )
  })

  it("for packages that the store lacks, offline, in a home that has nothing but what was pulled", async () => {
    using lab = openArtifactLab()
    const { sha256 } = await resolvePlan(projectDir, "base")
    const deb = { name: "bash", version: "5", arch: "amd64", parts: ["root"], suite: "trixie" }
    const path = "pool/main/b/bash/bash_5_amd64.deb"
    const bash = { ...deb, size_bytes: 1, sha256: "0".repeat(64), path }
    const lock = stringify({ ...parse(SOME_LOCK), deb: [bash] })
    lab.store("base", { manifest: { plan: sha256 }, files: { "lock.toml": lock } })
    expect(await refusal(lab, "base", { offline: true })).toMatchObject({
      ...{ code: "store/offline", message: "the store lacks 1 packages\n    bash 5" },
    })
    // the log that a failure may name stays, and nothing else of it
    const [left = ""] = readdirSync(join(lab.home.cache, "rebuild"))
    const kept = readdirSync(join(lab.home.cache, "rebuild", left), { recursive: true })
    expect(kept.toSorted()).toEqual(["cache", "cache/logs"])
  })

  it("for packages that are gone: a snapshot or the store of its builder, and no newer lock", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    using lab = openLab(archive)
    const { text } = await lab.open()
    rmSync(lab.store, { recursive: true })
    archive.publish("trixie", [TOOL, { ...HELPER, version: "1:2.0" }])
    // what the definition asks for by now is not what the image was made of
    const target = { ...lab.target, wants: { ...lab.target.wants, root: ["spare"] }, given: text }
    const opened = openLock(target, lab.context, await openStages(lab.context, "lock"))
    const fault = await opened.then(nothing, (thrown: { message: string; hint: string }) => thrown)
    expect(fault).toMatchObject({ code: "lock/gone" })
    expect(fault.message).toMatch(/^the image's own lock of root, of .*\n +helper 1:1\.0\+b2 \(trixie\)$/)
    expect(fault.hint).toMatch(/STEREO_DEBIAN_SNAPSHOT.*cache\/store/)
    expect(fault.hint).not.toMatch(/--update|--relock/)
  })
})

describe("the lock that an image carries", () => {
  it("is gone by also where the definition asks for others by now, as that of the tools may", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    using lab = openLab(archive)
    const { text, lock }: { text: string; lock: ImageLock } = await lab.open()
    const target = { ...lab.target, wants: { ...lab.target.wants, root: ["spare"] }, given: text }
    const opened = await openLock(target, lab.context, await openStages(lab.context, "lock"))
    expect(opened).toMatchObject({ lock, text, moves: [] })
  })
})

function nothing(): never {
  throw new Error("it was not refused")
}

function refusal(
  lab: ArtifactLab,
  name = "base",
  more: Partial<BuildContext> = {},
): Promise<{ message: string; hint: string }> {
  return rebuild(lab, name, more).then(nothing, (thrown: { message: string; hint: string }) => thrown)
}

function rebuild({ home }: ArtifactLab, reference: string, more: Partial<BuildContext> = {}) {
  const { signal } = new AbortController()
  return rebuildImage(projectDir, reference, {
    home,
    progress: silentProgress,
    signal,
    now: Date.now,
    ...more,
  })
}

/** Of a version that says more than this one, and less. */
function provenance(dirty: boolean): string {
  const project = { name: "project", digest: { gitCommit: COMMIT }, annotations: { dirty } }
  const statement = { predicate: { buildDefinition: { resolvedDependencies: [project], more: 1 } } }
  return JSON.stringify({ payload: Buffer.from(JSON.stringify(statement)).toString("base64") })
}
