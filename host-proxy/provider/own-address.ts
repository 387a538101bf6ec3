/** The host's own addresses, public or not: what listens there may trust whoever comes from the host. */

import { networkInterfaces } from "node:os"

/** As of this moment: an address may come and go. */
export function isOwnAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === address))
}
