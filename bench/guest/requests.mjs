// Runs inside the guest: times POST requests on one kept connection, first to a plain server beside it, then to the
// provider by its public name. Prints both series in milliseconds as JSON.

import http from "node:http"
import https from "node:https"

const count = Number(process.argv[2])
const body = JSON.stringify({ model: "claude-sonnet-4-6", messages: [] })
const server = http.createServer((request, response) =>
  request.resume().once("end", () => response.end(body)),
)
await new Promise((listening) => server.listen(0, "127.0.0.1", listening))
const beside = await series(http, { host: "127.0.0.1", port: server.address().port })
const through = await series(https, { host: "api.anthropic.com" })
process.stdout.write(JSON.stringify({ beside, through }))
process.exit(0)

async function series(client, target) {
  const agent = new client.Agent({ keepAlive: true, maxSockets: 1 })
  const times = []
  for (let index = -3; index < count; index += 1) {
    const startedAt = performance.now()
    await post(client, { ...target, agent })
    if (index >= 0) times.push(performance.now() - startedAt)
  }
  return times
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
