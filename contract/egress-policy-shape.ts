/** The shape of an egress policy as it crosses host.sock and stands in a machine's file of live rules. */

import { z } from "zod"
import type { EgressDenial, EgressGrant, EgressPolicy } from "./egress-grant.ts"

const source = z.strictObject({ file: z.string(), line: z.int() })

export const egressGrant = z.strictObject({
  id: z.string(),
  source,
  scheme: z.enum(["http", "https"]),
  host: z.string(),
  port: z.int(),
  methods: z.array(z.string()).readonly(),
  paths: z.array(z.string()).readonly(),
  query: z.union([z.enum(["any", "none"]), z.strictObject({ only: z.string() })]),
  bodyCheck: z.enum(["git-lfs-download"]).nullable(),
  git: z.enum(["transport", "api"]).nullable(),
  websocket: z.boolean(),
  maxPathBytes: z.int().nullable(),
  maxRequestBytes: z.int().nullable(),
  budgetBytes: z.int().nullable(),
  why: z.string(),
  owner: z.string(),
  expires: z.string().nullable(),
}) satisfies z.ZodType<EgressGrant>

export const egressDenial = z.strictObject({
  id: z.string(),
  source,
  host: z.string(),
  why: z.string(),
  owner: z.string(),
}) satisfies z.ZodType<EgressDenial>

export const egressPolicy = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("rules"),
    sets: z.array(z.string()).readonly(),
    grants: z.array(egressGrant).readonly(),
    denials: z.array(egressDenial).readonly(),
  }),
  z.strictObject({ kind: z.literal("broken"), rule: z.string(), reason: z.string() }),
]) satisfies z.ZodType<EgressPolicy>
