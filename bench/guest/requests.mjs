// Runs inside the guest: times POST requests on kept connections, first to a plain server beside it, then to the
// provider by its public name, with each number of streams at a time. Prints both in milliseconds as JSON.

import http from "node:http"
import https from "node:https"

const [count, ...streams] = process.argv.slice(2).map(Number)
const body = JSON.stringify({ model: "claude-sonnet-4-6", messages: [] })
const server = http.createServer((request, response) =>
  request.resume().once("end", () => response.end(body)),
)
await new Promise((listening) => server.listen(0, "127.0.0.1", listening))
const runs = []
for (const atOnce of streams) {
  const beside = await series(http, { host: "127.0.0.1", port: server.address().port }, atOnce)
  const through = await series(https, { host: "api.anthropic.com" }, atOnce)
  runs.push({ streams: atOnce, beside, through })
}
process.stdout.write(JSON.stringify(runs))
process.exit(0)

async function series(client, target, atOnce) {
  const agent = new client.Agent({ keepAlive: true, maxSockets: atOnce })
  // connections, certificates and code are warm before anything counts
  await Promise.all(Array.from({ length: atOnce }, () => post(client, { ...target, agent })))
  const times = []
  let left = Math.max(count, atOnce * 3)
  const startedAt = performance.now()
  const work = async () => {
    while (left > 0) {
      left -= 1
      const beganAt = performance.now()
      await post(client, { ...target, agent })
      times.push(performance.now() - beganAt)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  agent.destroy()
  return { times, perSecond: (times.length * 1000) / (performance.now() - startedAt) }
}

function post(client, options) {
  const headers = {
    "x-api-key": process.env.ANTHROPIC_API_KEY,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  }
  return new Promise((settle, reject) => {
    const asked = client.request({ ...options, path: "/v1/messages", method: "POST", headers }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}`))
      answer.resume().once("end", settle)
    })
    asked.once("error", reject)
    asked.end(body)
  })
}
