/** Money as text: exact, from integer nano-dollars. */

/** For example "0.41544255": every digit that counts, and at least two decimals. */
export function formatUsd(nanoUsd: bigint): string {
  const digits = nanoUsd.toString().padStart(10, "0")
  const fraction = digits.slice(-9).replace(/0+$/, "").padEnd(2, "0")
  return `${digits.slice(0, -9)}.${fraction}`
}
