/** Renders one session for people and for programs. */

import { jsonText } from "../contract/json-text.ts"
import type { ExchangeRow, FindingRow } from "../host-proxy/archive/schema.ts"
import { formatUsd } from "../host-proxy/cost/format-usd.ts"
import type { Buckets } from "../host-proxy/cost/normalise-usage.ts"
import type { Block } from "../host-proxy/model-turn.ts"
import type { SessionStep } from "../host-proxy/read-session-steps.ts"
import type { SessionSummary } from "../host-proxy/read-sessions.ts"
import { printableLine } from "./printable-line.ts"

export interface WholeSession {
  readonly summary: SessionSummary
  readonly steps: readonly SessionStep[]
  readonly findings: readonly FindingRow[]
}

const WIDTH = 160

/** A session's summary as JSON says it: times as text, money as decimal text. */
export function describeSession(one: SessionSummary): object {
  const { startedAtMs, endedAtMs, buckets, costNanoUsd, turns, unpriced, ...rest } = one
  return {
    ...rest,
    startedAt: new Date(startedAtMs).toISOString(),
    endedAt: new Date(endedAtMs).toISOString(),
    turns,
    tokens: buckets,
    costUsd: turns > 0 && unpriced === turns ? null : formatUsd(costNanoUsd),
    unpriced,
  }
}

export function renderSessionJson({ summary, steps, findings }: WholeSession): string {
  const body = {
    ...describeSession(summary),
    steps: steps.map(describeStep),
    findings: findings.map(({ kind, detail, exchange_id }) => ({ kind, detail, exchange: exchange_id })),
  }
  return jsonText(body)
}

export function renderSession({ summary, steps, findings }: WholeSession): string {
  const { id, machine, team, project, turns, exchanges, refusals, cut } = summary
  const calls = steps.flatMap((step) => step.turn?.blocks ?? []).filter((block) => block.kind === "tool-call")
  const lines = [
    `session   ${printableLine(id, WIDTH)}`,
    `machine   ${machine}, team ${printableLine(team, 60)}, project ${printableLine(project, 60)}`,
    `time      ${new Date(summary.startedAtMs).toISOString()} to ${new Date(summary.endedAtMs).toISOString()}`,
    `models    ${printableLine(summary.models.join(", ") || "none", WIDTH)}`,
    `calls     ${exchanges} exchanges: ${turns} turns with ${calls.length} tool calls, ${refusals} refused, ${cut} cut`,
    `tokens    ${describeTokens(summary.buckets)}`,
    `cost      ${describeCost(summary)}`,
    "",
    ...steps.flatMap((step, index) => renderStep(step, index)),
    ...findings.map((one) => `FINDING ${one.kind}: ${printableLine(one.detail, 400)}`),
  ]
  return `${lines.join("\n")}\n`
}

/** Unpriced is never shown as zero. */
function describeCost({ turns, unpriced, costNanoUsd }: SessionSummary): string {
  if (turns === 0) return "no model was called"
  if (unpriced === turns) return "unpriced"
  return `${formatUsd(costNanoUsd)} USD${unpriced > 0 ? `, and ${unpriced} unpriced` : ""}`
}

function renderStep(step: SessionStep, index: number): string[] {
  const { exchange, question, turn, entry } = step
  const url = urlOf(exchange)
  const head = `${String(index + 1).padStart(3)}  ${printableLine(exchange.method, 32)} ${printableLine(url, 100)}`
  if (exchange.outcome === "refused") {
    return [`${head}  REFUSED ${exchange.rule}`, `       ${printableLine(exchange.reason ?? "", WIDTH)}`]
  }
  const cost = entry ? (entry.costNanoUsd === null ? "unpriced" : `${formatUsd(entry.costNanoUsd)} USD`) : ""
  const facts = [
    String(exchange.status ?? "no answer"),
    printableLine(entry?.model ?? "", 80),
    cost,
    unusual(step),
  ].filter(Boolean)
  const results = (question?.toolResults ?? []).map((result) => {
    return `       ← ${result.isError ? "ERROR " : ""}${printableLine(result.text, WIDTH)}`
  })
  const prompt = question?.prompt ? [`       > ${printableLine(question.prompt, WIDTH)}`] : []
  const said = (turn?.blocks ?? []).flatMap(renderBlock)
  const tokens = entry ? [`       ${describeTokens(entry.buckets)}`] : []
  return [`${head}  ${facts.join("  ")}`, ...results, ...prompt, ...said, ...tokens]
}

function unusual(step: SessionStep): string {
  const { outcome, upstream_error } = step.exchange
  const cut =
    outcome === "complete"
      ? ""
      : `${outcome.toUpperCase()}${upstream_error ? ` (${printableLine(upstream_error, 120)})` : ""}`
  const error = step.turn?.error ? `ERROR ${printableLine(step.turn.error, 120)}` : ""
  return [cut, error].filter(Boolean).join("  ")
}

function renderBlock(block: Block): string[] {
  switch (block.kind) {
    case "text":
      return block.text === "" ? [] : [`       ${printableLine(block.text, WIDTH)}`]
    case "thinking":
      return block.text === "" ? [] : [`       (thinks) ${printableLine(block.text, WIDTH)}`]
    case "tool-call":
      return [`       → ${printableLine(block.name, 60)} ${printableLine(block.input, WIDTH)}`]
    case "hosted-tool":
      return [`       → ${printableLine(block.name, 60)} (run by the provider)`]
    default:
      return block satisfies never
  }
}

function describeTokens(buckets: Buckets): string {
  const parts: [string, number][] = [
    ["input", buckets.input],
    ["cache read", buckets.cacheRead],
    ["5 m cache write", buckets.cacheWrite5m],
    ["1 h cache write", buckets.cacheWrite1h],
    ["output", buckets.output],
  ]
  return parts.map(([name, count]) => `${count.toLocaleString("en")} ${name}`).join(", ")
}

function describeStep({ exchange, question, turn, entry }: SessionStep): object {
  return {
    exchange: exchange.id,
    startedAt: new Date(exchange.started_at_ms).toISOString(),
    firstByteMs:
      exchange.first_byte_at_ms === null ? null : exchange.first_byte_at_ms - exchange.started_at_ms,
    durationMs: exchange.ended_at_ms - exchange.started_at_ms,
    method: exchange.method,
    url: urlOf(exchange),
    status: exchange.status,
    outcome: exchange.outcome,
    rule: exchange.rule,
    reason: exchange.reason,
    upstreamError: exchange.upstream_error,
    process: exchange.claimed_process,
    request: { sha256: exchange.request_sha256, bytes: exchange.request_bytes },
    response: { sha256: exchange.response_sha256, bytes: exchange.response_bytes },
    provider: exchange.provider,
    question,
    turn,
    tokens: entry?.buckets ?? null,
    usageSource: entry?.usageSource ?? null,
    costUsd: entry && entry.costNanoUsd !== null ? formatUsd(entry.costNanoUsd) : null,
    unpricedReason: entry?.unpricedReason ?? null,
    priceVersion: entry?.priceVersion ?? null,
  }
}

function urlOf(exchange: ExchangeRow): string {
  if (exchange.method === "CONNECT") return exchange.authority
  return `${exchange.scheme}://${exchange.authority}${exchange.target}`
}
