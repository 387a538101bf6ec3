/** The agents of the coder image beside Claude Code: how each is started, what it is told to do, and what that costs. */

import type { PromptedScript } from "../fakes/model-script.ts"

export interface Agent {
  readonly name: string
  readonly command: readonly string[]
  /** The tool of its own by which it runs a command. */
  readonly tool: { readonly name: string; readonly argument: string }
  readonly file: string
  readonly lastWord: string
  /** The request header that carries its credential. */
  readonly credential: string
  /** Where its calls for this model go. */
  readonly path: string
  readonly model: string
  readonly calls: number
  readonly costUsd: string
  /** Hosts that it asks for in vain, whatever it is told. */
  readonly refused: readonly string[]
}

/** What each says last. */
const lastWord = (name: string) => `Done: ${name} has looked.`

export const AGENTS: readonly Agent[] = [
  {
    name: "Codex",
    command: ["codex", "exec", "--skip-git-repo-check", "-m", "gpt-5.3-codex", "Look about you, Codex."],
    tool: { name: "exec_command", argument: "cmd" },
    file: "/tmp/codex.txt",
    lastWord: lastWord("Codex"),
    credential: "authorization",
    path: "/v1/responses",
    model: "gpt-5.3-codex",
    calls: 2,
    // twice 20 tokens in at 1.75 dollars a million, 100 from the cache at 0.175, 30 out at 14
    costUsd: "0.000945",
    refused: [],
  },
  {
    name: "OpenCode",
    command: ["opencode", "run", "--model", "anthropic/claude-opus-4-5", "Look about you, OpenCode."],
    tool: { name: "bash", argument: "command" },
    file: "/tmp/opencode.txt",
    lastWord: lastWord("OpenCode"),
    credential: "x-api-key",
    path: "/v1/messages",
    model: "claude-opus-4-5",
    calls: 2,
    // 12 and 13 tokens in at 5 dollars a million, 2000 and 150 written at 10, 2000 read at 0.50, 35 and 46 out at 25
    costUsd: "0.02465",
    refused: ["registry.npmjs.org"],
  },
  {
    name: "Gemini CLI",
    command: ["gemini", "--yolo", "-m", "gemini-2.5-flash", "-p", "Look about you, Gemini CLI."],
    tool: { name: "run_shell_command", argument: "command" },
    file: "/tmp/gemini.txt",
    lastWord: lastWord("Gemini CLI"),
    credential: "x-goog-api-key",
    path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
    model: "gemini-2.5-flash",
    calls: 2,
    // 1200 and 300 tokens in at 0.30 dollars a million, 1000 from the cache at 0.03, 44 and 55 out at 2.50
    costUsd: "0.0007275",
    refused: [],
  },
  {
    name: "pi",
    command: ["pi", "-p", "--provider", "openai", "--model", "gpt-5-nano", "Look about you, pi."],
    tool: { name: "bash", argument: "command" },
    file: "/tmp/pi.txt",
    lastWord: lastWord("pi"),
    credential: "authorization",
    path: "/v1/responses",
    model: "gpt-5-nano",
    calls: 2,
    // twice 20 tokens in at 0.05 dollars a million, 100 from the cache at 0.005, 30 out at 0.40
    costUsd: "0.000027",
    refused: [],
  },
]

/** One tool call, then a last word. */
export function agentScripts(): readonly PromptedScript[] {
  return AGENTS.map(({ name, command, tool, file, lastWord: text }) => {
    const input = { [tool.argument]: `id > ${file}`, description: "Who am I?" }
    const script = [{ text: `${name} looks.`, tool: { name: tool.name, input } }, { text }]
    return { prompt: command.at(-1) ?? "", script }
  })
}
