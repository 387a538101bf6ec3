/** Sizes as people read them. */

/** `1.5 MiB` */
export function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}
