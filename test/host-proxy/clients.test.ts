import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import Anthropic from "@anthropic-ai/sdk"
import OpenAI from "openai"
import { describe, expect, it } from "vitest"
import { openFakeProvider } from "../fakes/provider.ts"
import { projectDir } from "../rules/sources.ts"

describe("the fake provider as a program", () => {
  it("prints its address, serves, and ends when asked", async () => {
    const program = spawn(process.execPath, [join(projectDir, "test/fakes/provider-main.ts"), "--port", "0"])
    const [line] = await once(createInterface(program.stdout), "line")
    const client = new OpenAI({ apiKey: "k", baseURL: `${line}/v1` })
    expect((await client.models.list()).data).toHaveLength(1)
    const ended = once(program, "exit")
    program.kill("SIGTERM")
    expect((await ended)[0]).toBe(0)
  })
})

describe("the fake provider speaks so that the official SDKs understand it", () => {
  it("Anthropic's, streamed, with a tool call", async () => {
    await using provider = await openFakeProvider()
    const client = new Anthropic({ apiKey: "k", baseURL: provider.url })
    const tool = { name: "Bash", input_schema: { type: "object" as const } }
    const stream = client.messages.stream({
      model: "claude-sonnet-4-6",
      max_tokens: 64,
      messages: [{ role: "user", content: "hello" }],
      tools: [tool],
    })
    const message = await stream.finalMessage()
    expect(message.stop_reason).toBe("tool_use")
    expect(message.content[1]).toMatchObject({ type: "tool_use", name: "Bash" })
  })

  it("OpenAI's Chat Completions and Responses, streamed", async () => {
    await using provider = await openFakeProvider()
    const client = new OpenAI({ apiKey: "k", baseURL: `${provider.url}/v1` })
    const messages = [{ role: "user" as const, content: "hello" }]
    const chat = await client.chat.completions.create({ model: "gpt-5-nano", messages, stream: true })
    let text = ""
    for await (const chunk of chat) text += chunk.choices[0]?.delta.content ?? ""
    expect(text).toBe("Hello from the fake model.")
    const response = await client.responses.stream({ model: "gpt-5-nano", input: "hello" }).finalResponse()
    expect(response.output_text).toBe(text)
  })
})
