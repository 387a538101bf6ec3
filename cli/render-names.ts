/** How a completion script finds names: in STEREO_HOME and in the project, so that stereo does not have to start. */

import { join } from "node:path"

/** What stereo knows names of. `targets` are machines and images, `locks` definitions and the tools tree. */
export type NameKind = "machines" | "images" | "targets" | "keys" | "definitions" | "locks" | "profiles"

/**
 * A command that prints the names of a kind, a line each. `kind` is an expression of the shell, `quote` quotes a
 * text for it; the program, which sh runs, is the same for all shells and has no quotes that they would trip over.
 */
export function renderNames(projectDir: string, kind: string, quote: (text: string) => string): string {
  return `command sh -c ${quote(PROGRAM)} sh ${kind} ${quote(join(projectDir, "images"))} 2>/dev/null`
}

/** $1: the kind, $2: the project's images/. */
const PROGRAM = [
  `home="\${STEREO_HOME:-$HOME/.local/share/stereo}"`,
  `case $1 in machines|targets) ls -1 "$home/machines" ;; esac`,
  `case $1 in images|targets) ls -1 "$home/images/by-name" ;; esac`,
  // own: the home's, once something was signed
  "if [ $1 = keys ]; then",
  `  [ ! -e "$home/keys/signing.pem" ] || echo own`,
  `  for file in "$home"/keys/trusted/*.pub; do [ ! -e "$file" ] || basename "$file" .pub; done`,
  "fi",
  "case $1 in definitions|locks|profiles) ;; *) exit ;; esac",
  `if [ $1 = profiles ]; then cd "$2/profiles"; else cd "$2"; fi || exit`,
  "for file in */image.toml; do",
  `  name="\${file%/*}"`,
  // the tools tree has a lock and is no image
  `  [ ! -e "$file" ] || [ $1$name = definitionstools ] || echo "$name"`,
  "done",
].join("\n")
