/** `stereo images diff`: everything in which two built images differ. */

import type { Command } from "commander"
import { jsonText } from "../../contract/json-text.ts"
import type { CliContext } from "../context.ts"

interface DiffOptions {
  readonly json?: boolean
  readonly files?: boolean
}

const HELP = `
Compares settings, packages, units, sysctls, the kernel's command line, accounts, environment, every file of the
root, sizes, and what may leave (as \`stereo egress diff\` does).

Exit codes: 0 the same image, 2 they differ, 1 one of them cannot be read, 64 usage.

Examples:
  $ stereo images diff base coder
  $ stereo images diff 3e4c9658658a coder --json | jq .packages`

export function addDiffCommand(images: Command, context: CliContext): void {
  images
    .command("diff")
    .description("compare two built images; exit code 2 when they differ")
    .argument("<before>", "a name, a digest, or at least 6 digits of its beginning")
    .argument("<after>", "the same")
    .option("--files", "name every file, also where a package brings many")
    .option("--json", "print as JSON, every file included")
    .addHelpText("after", HELP)
    .action((before: string, after: string, options: DiffOptions) => diff(context, before, after, options))
}

async function diff(context: CliContext, before: string, after: string, options: DiffOptions): Promise<void> {
  const { readImage } = await import("../../builder/image-store.ts")
  const { readImageView } = await import("./read-image-view.ts")
  const { compareImages, imagesDiffer } = await import("../../review/image/compare-images.ts")
  const first = await readImage(context.home, before)
  const second = await readImage(context.home, after)
  const { found, egress } = await context.progress.step("Comparing", async () => ({
    found: compareImages(
      await readImageView(before, first, context),
      await readImageView(after, second, context),
    ),
    egress: await compareBuiltEgress(
      context,
      { target: before, image: first },
      { target: after, image: second },
    ),
  }))
  // before anything is printed, whose reader may leave
  if (imagesDiffer(found)) context.exitWith(2)
  const { renderDiff } = await import("../../review/compare-egress.ts")
  if (options.json) {
    context.print(jsonText({ ...found, egress: JSON.parse(renderDiff(egress, "json")) }))
    return
  }
  const { renderImageDiff } = await import("../../review/image/render-image-diff.ts")
  context.print(
    renderImageDiff({ diff: found, egress: renderDiff(egress, "text"), allFiles: options.files === true }),
  )
}

interface Asked {
  readonly target: string
  readonly image: Awaited<ReturnType<typeof import("../../builder/image-store.ts").readImage>>
}

async function compareBuiltEgress(context: CliContext, before: Asked, after: Asked) {
  const { viewImage } = await import("../egress/image-parts.ts")
  const { readBuiltParts } = await import("../egress/read-built-parts.ts")
  const { compareEgress } = await import("../../review/compare-egress.ts")
  const { judgeWall } = await import("../../review/judge-wall.ts")
  const view = async ({ target, image }: Asked) =>
    viewImage(target, "image", await readBuiltParts(image, context))
  return compareEgress({
    before: await view(before),
    after: await view(after),
    today: new Date(context.now()).toISOString().slice(0, 10),
    prove: judgeWall,
  })
}
