/** What a scripted model does, whatever its wire format: one step a turn, chosen by how many tools have answered. */

export interface ModelStep {
  readonly text: string
  /** The tool to call; without one the turn ends the conversation. */
  readonly tool?: { readonly name: string; readonly input: Readonly<Record<string, unknown>> }
}
export type ModelScript = readonly ModelStep[]

/** What a model does in the conversations that hold a text. */
export interface PromptedScript {
  readonly prompt: string
  readonly script: ModelScript
}

/** The step after `done` results of tools; a script that is over repeats its last step. */
export function stepAfter(script: ModelScript, done: number): ModelStep {
  return script[Math.min(done, script.length - 1)] ?? { text: "ok" }
}
