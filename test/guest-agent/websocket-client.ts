/**
 * Run inside the lab's guest: Node's own WebSocket opens the URL, sends what it is told to, closes after so many
 * answers, and prints what happened as one JSON line. Usage: node websocket-client.ts SPEC
 */

const spec: {
  readonly url: string
  readonly protocols: readonly string[]
  readonly send: readonly string[]
  readonly answers: number
} = JSON.parse(process.argv[2] ?? "{}")

const socket = new WebSocket(spec.url, [...spec.protocols])
const came: string[] = []
let opened = false
socket.binaryType = "arraybuffer"
socket.addEventListener("open", () => {
  opened = true
  for (const text of spec.send) socket.send(text)
  socket.send(new Uint8Array(300_000).fill(7))
})
socket.addEventListener("message", ({ data }) => {
  came.push(typeof data === "string" ? data : `${data.byteLength} bytes`)
  if (came.length === spec.answers) socket.close(4001, "enough")
})
socket.addEventListener("error", () => undefined)
socket.addEventListener("close", ({ code, wasClean }) => {
  const { protocol, extensions } = socket
  process.stdout.write(`${JSON.stringify({ opened, came, code, wasClean, protocol, extensions })}\n`)
})
