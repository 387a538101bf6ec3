// Runs inside the guest: sends recorded requests, one JSON line each on standard input, to the provider by
// its public name, and prints what came back as sha256 and size of the raw bytes.

import { createHash } from "node:crypto"
import https from "node:https"
import { createInterface } from "node:readline"

for await (const line of createInterface({ input: process.stdin })) {
  const { path, headers, bodyBase64 } = JSON.parse(line)
  process.stdout.write(`${JSON.stringify(await send(path, headers, Buffer.from(bodyBase64, "base64")))}\n`)
}

function send(path, headers, body) {
  return new Promise((settle, reject) => {
    const own = { ...headers, "x-api-key": process.env.ANTHROPIC_API_KEY, "content-length": body.length }
    const asked = https.request(
      { host: "api.anthropic.com", path, method: "POST", headers: own },
      (answer) => {
        const digest = createHash("sha256")
        let bytes = 0
        answer.on("data", (chunk) => {
          digest.update(chunk)
          bytes += chunk.length
        })
        answer.once("error", reject)
        answer.once("end", () => settle({ status: answer.statusCode, sha256: digest.digest("hex"), bytes }))
      },
    )
    asked.once("error", reject)
    asked.end(body)
  })
}
