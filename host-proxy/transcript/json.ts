/** Reads JSON that others wrote without believing anything of its shape. */

export type Json = Readonly<Record<string, unknown>>

export function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {}
}

export function asList(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(asObject) : []
}

export function asText(value: unknown): string | null {
  return typeof value === "string" ? value : null
}
