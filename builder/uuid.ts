/** Ids that follow from what they name, so that the same input gives the same disk. */

/** A UUID in the form of version 4, from 64 hex digits. */
export function uuidOf(sha256: string): string {
  return sha256.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-4$3-8$4-$5")
}
