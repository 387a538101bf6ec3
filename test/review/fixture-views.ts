/** Two views that differ in every way that a report tells of, from sets as people write them. */

import { type EgressSetText, readEgressPolicy } from "../../contract/read-egress-policy.ts"
import type { EgressView } from "../../review/egress-view.ts"

export const TODAY = "2027-01-15"

const BEFORE = `name = "team"
why = "what the payments team's agents need"
owner = "payments"

[[allow]]
host = "api.example.com"
methods = ["POST"]
paths = ["/v1/messages"]
query = "none"
max_request_kib = 64
expires = "2027-06-30"
why = "inference of the team's agents"

[[allow]]
host = "files.example.com"
methods = ["GET"]
paths = ["/exports/**"]
why = "nightly exports that agents read"

[[allow]]
host = "git.example.com"
git = "read"
repositories = ["payments/ledger"]
why = "the repository that the agent works on"
`
const AFTER = `name = "team"
why = "what the payments team's agents need"
owner = "payments"

[[allow]]
host = "api.example.com"
methods = ["POST"]
paths = ["/v1/messages", "/v1/files/**"]
query = "none"
max_request_kib = 256
expires = "2027-01-31"
why = "inference and the files of | it \`quoted\` <b>\u202e"
owner = "payments-leads"

[[allow]]
host = "*.example.net"
port = 8443
methods = ["GET", "DELETE"]
paths = ["/jobs/*"]
websocket = true
budget_mib = 4
expires = "2027-01-10"
why = "a scheduler that was tried once"

[[allow]]
host = "hooks.example.com"
methods = ["GET"]
paths = ["/live"]
websocket = true
why = "events that the agent waits for"
`

export function viewOf(target: string, texts: readonly EgressSetText[], wall: string): EgressView {
  return {
    ...{ target, kind: "definition", notes: [], endingDenials: [] },
    readFrom: `the definition images/${target}/image.toml`,
    policy: readEgressPolicy(texts),
    wall: { kind: "ruleset", from: "images/templates/nftables.njk", text: wall, canonical: null },
  }
}

export const before = viewOf("before", [{ name: "team", text: BEFORE }], "table inet t {\n\tdrop\n}\n")
export const after = viewOf("after", [{ name: "team", text: AFTER }], "table inet t {\n\taccept\n}\n")
export const broken = viewOf(
  "broken",
  [{ name: "team", text: `${BEFORE}\nhots = 1\n` }],
  "table inet t {\n}\n",
)
