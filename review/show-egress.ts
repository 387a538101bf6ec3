/** From what is known of a target to a report in the format that was asked for. Pure. */

import type { EgressView, ShowFormat } from "./egress-view.ts"
import { renderHtml } from "./policy/render-html.ts"
import { renderJson } from "./policy/render-json.ts"
import { renderMarkdown } from "./policy/render-markdown.ts"
import { renderSarif } from "./policy/render-sarif.ts"
import { renderText } from "./policy/render-text.ts"

/** `today` is the day in UTC, YYYY-MM-DD. */
export function showEgress(view: EgressView, format: ShowFormat, today: string): string {
  switch (format) {
    case "text":
      return renderText(view, today)
    case "markdown":
      return renderMarkdown(view, today)
    case "html":
      return renderHtml(view, today)
    case "sarif":
      return renderSarif(view, today)
    case "json":
      return renderJson(view, today)
    default:
      return format satisfies never
  }
}
