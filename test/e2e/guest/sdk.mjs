// Runs inside the guest: the official SDKs, unmodified, stream to their end; prints what each one put together.

import Anthropic from "@anthropic-ai/sdk"
import OpenAI from "openai"

const anthropic = new Anthropic()
const openai = new OpenAI()
const messages = [{ role: "user", content: "Say a word." }]

const wanted = {
  async anthropic() {
    const stream = anthropic.messages.stream({ model: "claude-sonnet-4-6", max_tokens: 100, messages })
    const message = await stream.finalMessage()
    return { text: message.content[0].text, usage: message.usage, end: message.stop_reason }
  },
  async chat() {
    const options = { model: "gpt-5-nano", messages, stream: true, stream_options: { include_usage: true } }
    let text = ""
    let usage = null
    let end = null
    for await (const chunk of await openai.chat.completions.create(options)) {
      text += chunk.choices[0]?.delta.content ?? ""
      end = chunk.choices[0]?.finish_reason ?? end
      usage = chunk.usage ?? usage
    }
    return { text, usage, end }
  },
  async responses() {
    const stream = openai.responses.stream({ model: "gpt-5-nano", input: "Say a word." })
    const response = await stream.finalResponse()
    return { text: response.output_text, usage: response.usage, end: response.status }
  },
  /** Cuts the stream after the first piece of text. */
  async cut() {
    const headers = { "x-fake": "pace=400" }
    const stream = anthropic.messages.stream(
      { model: "claude-sonnet-4-6", max_tokens: 100, messages },
      { headers },
    )
    for await (const event of stream) {
      if (event.type !== "content_block_delta") continue
      stream.abort()
      return { text: event.delta.text, end: "cut" }
    }
  },
}

for (const name of process.argv.slice(2)) {
  try {
    process.stdout.write(`${JSON.stringify({ name, ...(await wanted[name]()) })}\n`)
  } catch (thrown) {
    process.stdout.write(`${JSON.stringify({ name, error: String(thrown) })}\n`)
  }
}
process.exit(0)
