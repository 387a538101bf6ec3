/** A request to the fake AWS as its layers see it, and the ways to refuse one. */

export interface AwsCall {
  readonly service: "ebs" | "ec2"
  /** The API's own name, such as PutSnapshotBlock. */
  readonly action: string
  readonly method: string
  /** Path with query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** EC2: the form's fields; EBS: those of path, headers and JSON under the API's names. */
  readonly fields: Readonly<Record<string, string>>
}

export interface AwsAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export function readCall(
  method: string,
  target: string,
  headers: Record<string, string>,
  body: Buffer,
): AwsCall {
  const path = (target.split("?")[0] ?? "").split("/").filter(Boolean)
  const base = { method, target, headers, body }
  if (path[0] !== "snapshots") {
    const fields = Object.fromEntries(new URLSearchParams(body.toString("utf8")))
    return { ...base, service: "ec2", action: fields["Action"] ?? "?", fields }
  }
  const action = ebsAction(method, path)
  const json =
    action === "StartSnapshot" ? (JSON.parse(body.toString("utf8")) as Record<string, unknown>) : {}
  const fields = {
    ...Object.fromEntries(
      Object.entries(json).map(([key, value]) => [
        key,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    ),
    ...(action === "CompleteSnapshot" ? { SnapshotId: path[2] ?? "" } : { SnapshotId: path[1] ?? "" }),
    ...(path[2] === "blocks" && path[3] !== undefined ? { BlockIndex: path[3] } : {}),
    ...Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) =>
        name.startsWith("x-amz-") ? [[name.slice(6), value]] : [],
      ),
    ),
  }
  return { ...base, service: "ebs", action, fields }
}

export function ebsRefusal(status: number, code: string, message: string): AwsAnswer {
  return {
    status,
    headers: { "content-type": "application/json", "x-amzn-errortype": code },
    body: Buffer.from(JSON.stringify({ Message: message })),
  }
}

export function ec2Refusal(status: number, code: string, message: string): AwsAnswer {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>0</RequestID></Response>`
  return { status, headers: { "content-type": "text/xml" }, body: Buffer.from(text) }
}

function ebsAction(method: string, path: readonly string[]): string {
  if (method === "POST") return path[1] === "completion" ? "CompleteSnapshot" : "StartSnapshot"
  if (method === "PUT") return "PutSnapshotBlock"
  return path[3] === undefined ? "ListSnapshotBlocks" : "GetSnapshotBlock"
}
