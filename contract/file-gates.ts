/** The gates on the files of an image that a definition can answer with an exception. */
export const FILE_GATES = [
  "setuid",
  "capabilities",
  "world-writable",
  "unowned",
  "writable",
  "odd-name",
] as const
export type FileGate = (typeof FILE_GATES)[number]
