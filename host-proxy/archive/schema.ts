/** The archive's tables, as SQL for sqlite and as types for kysely. Rows are appended and never changed. */

import type { Outcome } from "../exchange.ts"

export interface ExchangeRow {
  readonly id: string
  readonly run_id: string
  readonly machine: string
  readonly team: string
  readonly project: string
  /** The harness's own session id, as the guest claims it. */
  readonly claimed_session: string | null
  /** The capture proxy's id of the exchange, as the guest claims it. */
  readonly claimed_exchange: string | null
  readonly claimed_process: string | null
  readonly method: string
  readonly scheme: string
  readonly authority: string
  /** Path with query. */
  readonly target: string
  /** JSON array of [name, value]; credentials masked. */
  readonly request_headers: string
  readonly response_headers: string | null
  readonly status: number | null
  /** Of the raw bytes; the blob's name. */
  readonly request_sha256: string
  readonly request_bytes: number
  readonly response_sha256: string
  readonly response_bytes: number
  /** The rule that allowed or refused. */
  readonly rule: string | null
  readonly reason: string | null
  readonly provider: string | null
  readonly api: string | null
  readonly outcome: Outcome
  readonly upstream_error: string | null
  readonly started_at_ms: number
  readonly first_byte_at_ms: number | null
  readonly ended_at_ms: number
}

/** What an exchange used and cost: a derivation, which a later price table may repeat with a new row. */
export interface CostRow {
  readonly exchange_id: string
  readonly model: string | null
  readonly response_id: string | null
  /** The provider's own usage object as JSON. */
  readonly usage_raw: string | null
  readonly usage_source: "reported" | "partial" | "estimated" | "none"
  /** JSON of disjoint token buckets. */
  readonly buckets: string
  /** Null: unpriced. */
  readonly cost_nano_usd: number | null
  readonly unpriced_reason: string | null
  readonly price_version: string
  readonly derived_at_ms: number
}

/** The guest's account of an exchange. */
export interface EnvelopeRow {
  readonly run_id: string
  /** The claimed exchange id. */
  readonly id: string
  readonly body: string
  readonly received_at_ms: number
}

/** Something that does not add up: what the guest says against what the host saw, an echoed credential. */
export interface FindingRow {
  readonly id: string
  readonly run_id: string
  readonly exchange_id: string | null
  readonly kind: string
  readonly detail: string
  readonly found_at_ms: number
}

/** Something that a person did to what may leave a machine, or that the clock did. */
export interface AuditRow {
  readonly id: string
  readonly at_ms: number
  readonly machine: string
  readonly run_id: string
  /** The user of the host service, which alone may open its socket. */
  readonly uid: number
  readonly user: string
  /** Who says to stand behind that user; a claim. */
  readonly claimed_user: string | null
  readonly action: "allow" | "deny" | "revoke" | "reload" | "ask-answer" | "expired" | "run-ended"
  readonly rule_id: string | null
  /** LiveRule as JSON. */
  readonly rule: string | null
  readonly why: string | null
  /** How long the rule was to count; null: until the run ends. */
  readonly for_seconds: number | null
  /** What came of it, in words. */
  readonly detail: string
}

export interface ArchiveTables {
  exchanges: ExchangeRow
  costs: CostRow
  envelopes: EnvelopeRow
  findings: FindingRow
  audit: AuditRow
}

/** 2 added the audit record; nothing of 1 changed, so that a writer brings it up to date as it opens it. */
export const SCHEMA_VERSION = 2
export const OLDEST_SCHEMA_VERSION = 1

export const SCHEMA_SQL = `
  create table if not exists exchanges (
    id text primary key, run_id text not null, machine text not null, team text not null,
    project text not null, claimed_session text, claimed_exchange text, claimed_process text,
    method text not null, scheme text not null, authority text not null, target text not null,
    request_headers text not null, response_headers text, status integer,
    request_sha256 text not null, request_bytes integer not null,
    response_sha256 text not null, response_bytes integer not null,
    rule text, reason text, provider text, api text, outcome text not null, upstream_error text,
    started_at_ms integer not null, first_byte_at_ms integer, ended_at_ms integer not null
  ) strict;
  create index if not exists exchanges_by_claim on exchanges (run_id, claimed_exchange);
  create table if not exists costs (
    exchange_id text not null, model text, response_id text, usage_raw text, usage_source text not null,
    buckets text not null, cost_nano_usd integer, unpriced_reason text, price_version text not null,
    derived_at_ms integer not null
  ) strict;
  create index if not exists costs_by_exchange on costs (exchange_id);
  create table if not exists envelopes (
    run_id text not null, id text not null, body text not null, received_at_ms integer not null,
    primary key (run_id, id)
  ) strict;
  create table if not exists findings (
    id text primary key, run_id text not null, exchange_id text, kind text not null, detail text not null,
    found_at_ms integer not null
  ) strict;
  create table if not exists audit (
    id text primary key, at_ms integer not null, machine text not null, run_id text not null,
    uid integer not null, user text not null, claimed_user text, action text not null, rule_id text, rule text,
    why text, for_seconds integer, detail text not null
  ) strict;
  create trigger if not exists audit_is_not_changed before update on audit
    begin select raise(abort, 'the audit record is only appended to'); end;
  create trigger if not exists audit_is_not_shortened before delete on audit
    begin select raise(abort, 'the audit record is only appended to'); end;
  pragma user_version = ${SCHEMA_VERSION};
`
