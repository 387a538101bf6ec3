/** `lock.toml`: the exact packages that an image is made of. Written by `stereo lock`, kept in git, part of the artifact. */

import { z } from "zod"
import { sha256Hex } from "./manifest.ts"

const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, "expected a Debian package name")

const suite = z.string().regex(/^[a-z][a-z-]*$/, "expected a suite such as trixie-security")

export const lockedDeb = z.strictObject({
  name: packageName,
  version: z.string().regex(/^[A-Za-z0-9.+:~-]+$/, "expected a Debian version"),
  arch: z.enum(["amd64", "all"]),
  /** The parts of the image that it is in. */
  parts: z.array(z.enum(["root", "boot"])).min(1),
  /** The suite that it was found in, such as `trixie-security`. */
  suite,
  size_bytes: z.int().positive(),
  sha256: sha256Hex,
  /** Below whatever mirror of Debian is asked. */
  path: z
    .string()
    .regex(/^pool\/(?!.*\.\.)[\w.+~%:/-]+\.deb$/, "expected a path such as pool/main/b/bash/….deb"),
})
export type LockedDeb = z.infer<typeof lockedDeb>

// both become words of npm's command line: what npm reads as an option, a folder or an address is none of them
export const npmName = z
  .string()
  .regex(/^(?:@[\w~][\w.~-]*\/)?[\w~][\w.~-]*$/, "expected an npm package name such as @scope/name")
export const npmVersion = z.string().regex(/^\d[0-9A-Za-z.+-]*$/, "expected a version such as 1.2.3")

export const lockedNpm = z.strictObject({
  name: npmName,
  version: npmVersion,
  integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/, "expected sha512-…"),
  /** Of the archive. */
  size_bytes: z.int().positive(),
})
export type LockedNpm = z.infer<typeof lockedNpm>

export const imageLock = z.strictObject({
  schema: z.literal(1),
  suite,
  arch: z.literal("amd64"),
  /** The newest Date of the signed Release files that it was made from, in seconds since 1970. */
  epoch: z.int().positive(),
  /** What the definition asks for by name; `deb` has these with all that they depend on. */
  root: z.array(packageName),
  boot: z.array(packageName),
  /** Sorted by name. */
  deb: z.array(lockedDeb),
  npm: z.array(lockedNpm),
})
export type ImageLock = z.infer<typeof imageLock>
