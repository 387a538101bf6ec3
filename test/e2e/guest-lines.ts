/** A program in the guest that answers each line it is given with one line. */

import { once } from "node:events"
import { createInterface } from "node:readline"
import type { TestHome } from "./test-home.ts"

export interface GuestLines extends AsyncDisposable {
  /** Sends a line and waits for the answer's. */
  ask(line: string): Promise<string>
}

export function openGuestLines(
  home: TestHome,
  machine: string,
  user: "agent" | "root",
  command: readonly string[],
): GuestLines {
  const child = home.start(["exec", machine, "--user", user, "--", ...command])
  const said: string[] = []
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async ask(line) {
      child.stdin.write(`${line}\n`)
      const answer = await lines.next()
      if (answer.done) throw new Error(`${command.join(" ")} in ${machine} ended: ${said.join("")}`)
      return answer.value
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      if (child.exitCode === null && child.signalCode === null) await once(child, "close")
    },
  }
}
