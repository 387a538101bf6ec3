/** What a model was asked and what it said, the same for every provider's wire format. */

export type Block =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "thinking"; readonly text: string }
  | { readonly kind: "tool-call"; readonly id: string; readonly name: string; readonly input: string }
  | { readonly kind: "hosted-tool"; readonly name: string }

export interface ModelTurn {
  readonly responseId: string | null
  /** As the response names it; prices go by this one. */
  readonly model: string | null
  readonly stopReason: string | null
  readonly blocks: readonly Block[]
  /** The provider's own usage object. */
  readonly usage: Readonly<Record<string, unknown>> | null
  /** OpenAI says it beside the usage, Anthropic inside. */
  readonly serviceTier: string | null
  /** The answer's own end marker came. */
  readonly finished: boolean
  /** What the provider reported as wrong, also in the middle of a stream. */
  readonly error: string | null
}

export interface ToolResult {
  readonly id: string
  readonly isError: boolean
  readonly text: string
}

export interface ModelQuestion {
  readonly model: string | null
  /** The text of the last user message; null when it held only tool results. */
  readonly prompt: string | null
  /** Results that this request reports for the first time: those of its last turn. */
  readonly toolResults: readonly ToolResult[]
}
