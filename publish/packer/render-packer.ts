/** Renders the folder with which a Packer pipeline takes an image: template, script and instructions. Pure but for reading them. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import nunjucks from "nunjucks"
import { storedName } from "../../contract/image-name.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { VIRTIO_PORTS } from "../../contract/wire.ts"
import type { PackerForm } from "./packer-version.ts"
import { quoteHcl } from "./quote-hcl.ts"

export interface PackerRequest {
  readonly manifest: Manifest
  /** sha256 of the manifest. */
  readonly digest: string
  readonly disk: {
    /** The file's name, in the folder. */
    readonly file: string
    readonly sha256: string
    readonly sizeBytes: number
  }
  /** The first is where the AMI is made, the others get copies. */
  readonly regions: readonly string[]
  readonly form: PackerForm
}

export interface RenderedFile {
  readonly name: string
  readonly text: string
}

const GIB = 2 ** 30

/** The same request gives the same bytes. */
export async function renderPacker(request: PackerRequest): Promise<readonly RenderedFile[]> {
  const environment = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true })
  const variables = describe(request)
  const render = async (file: string) => environment.renderString(await readBeside(file), variables)
  return [
    { name: "image.pkr.hcl", text: await render("image.pkr.hcl.njk") },
    { name: "write-volume.sh", text: await readBeside("write-volume.sh") },
    { name: "README.md", text: await render("README.md.njk") },
  ]
}

function describe({ manifest, digest, disk, regions, form }: PackerRequest) {
  const { profile, resources, verity } = manifest
  const name = storedName(manifest)
  const [region = "us-east-1", ...copies] = regions
  return {
    comment: oneLine,
    plugins: form === "plugins",
    control: VIRTIO_PORTS.control,
    disk,
    region,
    volumeGib: Math.max(1, Math.ceil(disk.sizeBytes / GIB)),
    image: {
      ...{ name, profile, digest, rootHash: verity.root_hash },
      ...{ cpus: resources.cpus, memoryMib: resources.memory_mib },
    },
    // every text outside comments, quoted
    hcl: {
      ...{ name: quoteHcl(name), profile: quoteHcl(profile), digest: quoteHcl(`sha256:${digest}`) },
      ...{ output: quoteHcl(`output-${name}`), vmName: quoteHcl(`${name}.raw`) },
      ...{ rootHash: quoteHcl(verity.root_hash), diskSha256: quoteHcl(disk.sha256) },
      // goes on behind another text's beginning
      diskFileInner: quoteHcl(disk.file).slice(1, -1),
      ...{ region: quoteHcl(region), copies: copies.map(quoteHcl).join(", ") },
      amiName: quoteHcl(`stereo-${name}-${digest.slice(0, 12)}`),
    },
  }
}

/** For comments and descriptions: whatever could end the line or the text is shown as a question mark. */
function oneLine(text: string): string {
  return text.replace(/[^ !#&-[\]-z|~]/g, "?")
}

function readBeside(name: string): Promise<string> {
  return readFile(join(import.meta.dirname, name), "utf8")
}
