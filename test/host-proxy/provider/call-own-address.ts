/** Serves HTTP on an address of its own and calls it as a guest's request would be; prints how that ended. */

import { once } from "node:events"
import { createServer } from "node:http"
import { explainFailure, openOutbound } from "../../../host-proxy/provider/outbound.ts"

const address = process.argv[2] ?? ""
const served: string[] = []
const server = createServer((request, response) => {
  served.push(request.url ?? "")
  response.end()
}).listen(8080, address)
await once(server, "listening")
await using outbound = openOutbound({ connectMs: 3000, firstByteMs: 3000, idleMs: 3000 })
const route = {
  ...{
    origin: `http://${address.includes(":") ? `[${address}]` : address}:8080`,
    target: "/own",
    method: "GET",
  },
  ...{ headers: [], provider: null, api: null, named: process.argv[3] === "named", secret: null },
}
const rule = await outbound.send(route, null, AbortSignal.timeout(5000)).then(
  (answer) => String(answer.status),
  (thrown) => explainFailure(thrown, route).rule,
)
process.stdout.write(JSON.stringify({ rule, served }))
server.close()
