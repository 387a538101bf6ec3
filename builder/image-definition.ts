/** `images/NAME/image.toml`: what an image is made of. An unknown key is an error. */

import { z } from "zod"
import { card } from "../contract/card.ts"
import { FILE_GATES } from "../contract/file-gates.ts"
import { npmName, npmVersion } from "../contract/image-lock.ts"

const absolutePath = z
  .string()
  .regex(/^\/(?!.*(?:\/\/|\/\.\.?(?:\/|$)|\/$))[^\0]+$/, "expected an absolute path without . or .. parts")
const relativePath = z
  .string()
  .regex(/^(?!\/)(?!.*(?:^|\/)\.\.(?:\/|$))[^\0]+$/, "expected a relative path without .. parts")
const mode = z.string().regex(/^0[0-7]{3}$/, 'expected an octal mode of four digits such as "0644"')
const why = z.string().min(8, "expected a reason of at least 8 characters")
/** Who asks for a setting: a checker or list with its own name for it, or `measured`. */
const source = z
  .string()
  .min(3, 'expected who asks for it, such as "kspp" or "lynis KRNL-6000"')
  .default("own")
const debianPackages = z.array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, "expected a Debian package name"))
const userName = z.string().regex(/^[a-z_][a-z0-9_-]{0,30}$/, "expected a user name")
const id = z.int().min(0).max(65535)

const debianPart = z.strictObject({
  suite: z.literal("trixie").optional(),
  /** Packages of the root file system; their dependencies come with them. */
  packages: debianPackages.default([]),
})

const bootPart = z.strictObject({
  /** Packages of the kernel and the initramfs; nothing else of them reaches the image. */
  packages: debianPackages.default([]),
})

const commandName = z.string().regex(/^[A-Za-z0-9][\w.-]*$/, "expected the name of a command")
/** Patterns of a package's files that stay outside, as those of [[prune]] but relative to the package. */
const leavePatterns = z.array(z.string().min(1)).default([])

/** A package of the npm registry, whose archive must have `integrity`. */
const npmPart = z.strictObject({
  name: npmName,
  /** Absent: version and integrity are those of this project's package-lock.json. */
  version: npmVersion.optional(),
  integrity: z
    .string()
    .regex(/^sha512-[A-Za-z0-9+/]{86}==$/, "expected sha512-…")
    .optional(),
  /** Files that are taken out of the archive. */
  files: z
    .array(
      z.strictObject({
        from: relativePath,
        to: absolutePath,
        mode: mode.default("0644"),
        /** Symbols go; never for kernel modules, whose signature would go too. */
        strip: z.boolean().default(false),
      }),
    )
    .default([]),
  /** The whole archive, as a folder; for packages that bring all they need. */
  tree: z
    .strictObject({
      to: absolutePath,
      /** Commands of /usr/bin, each with its file in the package. */
      bin: z.record(commandName, relativePath).default({}),
      leave: leavePatterns,
    })
    .optional(),
  why,
})

/** What an npm lock file of the project pins: packages with all that they depend on, as npm lays them out. */
const npmTreePart = z.strictObject({
  /** The lock file, from the project's folder on. */
  lock: relativePath,
  /** The folder that holds the packages. */
  to: absolutePath.default("/usr/lib/node_modules"),
  /** Which of the packages' commands are linked into /usr/bin. */
  bin: z.array(commandName).default([]),
  leave: leavePatterns,
  /** Packages that work although their install script does not run. */
  skip_scripts: z.array(z.string()).default([]),
  why,
})

/** A file that nunjucks renders with the names and numbers of contract/wire.ts. */
const templatePart = z.strictObject({ from: relativePath, to: absolutePath, mode: mode.default("0644") })

/** A TypeScript program that esbuild bundles into one file. */
const programPart = z.strictObject({ entry: relativePath, to: absolutePath })

const linkPart = z.strictObject({ path: absolutePath, target: z.string().min(1) })

const directoryPart = z.strictObject({
  path: absolutePath,
  mode: mode.default("0755"),
  user: userName.default("root"),
})

/** A file of files/ whose mode or owner is not the usual one (0644 or 0755 by its x bit, root). */
const ownerPart = z.strictObject({
  path: absolutePath,
  mode: mode.optional(),
  user: userName.optional(),
  why,
})

const userPart = z.strictObject({
  name: userName,
  uid: id,
  /** The group of the same name. */
  gid: id,
  home: absolutePath.or(z.literal("/")),
  shell: absolutePath.default("/usr/sbin/nologin"),
  why,
})
const groupPart = z.strictObject({ name: userName, gid: id, members: z.array(userName).default([]), why })

/** Patterns as in a shell, on absolute paths; `**` crosses slashes. Later `keep` patterns win over `paths`. */
const prunePart = z.strictObject({
  paths: z.array(z.string().startsWith("/")).min(1),
  keep: z.array(z.string().startsWith("/")).default([]),
  why,
})

/** Patterns as above, which no prune of any image takes. */
const keepPart = z.strictObject({ paths: z.array(z.string().startsWith("/")).min(1), why })

/** Libraries that programs open by name at run time; what nothing links or names is taken out. */
const libraryPart = z.strictObject({
  names: z.array(z.string().regex(/^lib[\w.+-]+$/, "expected a library such as libseccomp.so.2")).min(1),
  why,
})

const unitName = z
  .string()
  .regex(
    /^[\w@.\\-]+\.(service|socket|target|timer|mount|path|slice)$/,
    "expected a systemd unit such as ssh.service",
  )
const maskPart = z.strictObject({ units: z.array(unitName).min(1), why })
const enablePart = z.strictObject({ units: z.array(unitName).min(1), target: unitName, why })

const rootPart = z.strictObject({
  /** zstd makes the root a sixth smaller, lz4hc makes it five times sooner. */
  compression: z.strictObject({ method: z.enum(["lz4hc", "zstd"]), why }).optional(),
})

const kernelPart = z.strictObject({
  /** Modules by name; what they depend on comes with them. Those for the root disk are loaded before it opens. */
  modules: z
    .array(z.strictObject({ names: z.array(z.string()).min(1), for_root: z.boolean().default(false), why }))
    .default([]),
  /** A later one replaces an earlier one of the same word before `=`; only `console=` may stand twice. */
  options: z
    .array(
      z.strictObject({
        text: z.string().regex(/^[^\s"\0]+$/, "expected one word without quotation marks"),
        why,
        source,
      }),
    )
    .default([]),
})

/** What the agent's sessions may use, each of them and all together, and what else is opened for them. */
const sessionPart = z.strictObject({
  /** Of the machine's memory; what goes over it ends the largest process of the session, and nothing else. */
  memory: z.strictObject({ percent: z.int().min(10).max(95), why }).optional(),
  /** Processes and threads. */
  tasks: z.strictObject({ max: z.int().min(64).max(1_000_000), why }).optional(),
  /** Of the processor, when it is asked for by others too; stereo's own programs have 100. */
  cpu: z.strictObject({ weight: z.int().min(1).max(10_000), why }).optional(),
  /** The same of the disk. */
  io: z.strictObject({ weight: z.int().min(1).max(10_000), why }).optional(),
  /** How many user namespaces there may be; absent: none. */
  user_namespaces: z.strictObject({ max: z.int().min(1).max(100_000), why }).optional(),
})

/** How exposed a service may be that is over 1.5, by the scale of `systemd-analyze security`: 0 to 10. */
const exposurePart = z.strictObject({
  units: z.array(unitName).min(1),
  at_most: z.number().min(1.5).max(10).multipleOf(0.1, "expected tenths, such as 4.9"),
  why,
})

/** What a gate of the build would refuse, and is meant. */
const exceptionPart = z.strictObject({
  gate: z.enum(FILE_GATES),
  paths: z.array(absolutePath).min(1),
  why,
})

const budget = z.strictObject({ mib: z.int().min(1).max(100_000), why })
/** Of this image alone: what extends it has other things in it. */
const budgetPart = z.strictObject({
  /** All files as they lie in the root. */
  tree: budget.optional(),
  /** The root disk: compressed, with its hash tree. */
  root: budget.optional(),
})

/** A kernel setting below /proc/sys, which the initramfs makes; a later one replaces an earlier one of its key. */
const sysctlPart = z.strictObject({
  key: z
    .string()
    .regex(/^[a-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+$/, "expected a sysctl such as kernel.dmesg_restrict"),
  value: z.string().regex(/^[^\n\0]+$/, "expected text on one line"),
  why,
  source,
})

export const imageName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,30}$/, "expected lower-case letters, digits and dashes")

export const imageDefinition = z.strictObject({
  name: imageName,
  description: z.string().min(1),
  extends: z.string().optional(),
  /** It runs elsewhere, and is built with a site.toml. */
  site: z.boolean().optional(),
  debian: debianPart.default({ packages: [] }),
  boot: bootPart.default({ packages: [] }),
  npm: z.array(npmPart).default([]),
  npm_tree: z.array(npmTreePart).default([]),
  template: z.array(templatePart).default([]),
  program: z.array(programPart).default([]),
  link: z.array(linkPart).default([]),
  directory: z.array(directoryPart).default([]),
  owner: z.array(ownerPart).default([]),
  user: z.array(userPart).default([]),
  group: z.array(groupPart).default([]),
  prune: z.array(prunePart).default([]),
  keep: z.array(keepPart).default([]),
  library: z.array(libraryPart).default([]),
  mask: z.array(maskPart).default([]),
  enable: z.array(enablePart).default([]),
  root: rootPart.default({}),
  kernel: kernelPart.default({ modules: [], options: [] }),
  sysctl: z.array(sysctlPart).default([]),
  session: sessionPart.default({}),
  exposure: z.array(exposurePart).default([]),
  exception: z.array(exceptionPart).default([]),
  budget: budgetPart.default({}),
  // what a card may say of a machine, an image may say by default
  resources: card.shape.resources,
  egress: card.shape.egress,
  env: card.shape.env,
})
export type ImageDefinition = z.infer<typeof imageDefinition>
