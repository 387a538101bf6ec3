import { describe, expect, it } from "vitest"
import { parseReference, renderPinned } from "../../../publish/oci/reference.ts"

const DIGEST = `sha256:${"0a".repeat(32)}`

describe("an image's name in a registry", () => {
  it.each([
    ["localhost/base", { registry: "localhost", repository: "base", tag: null, digest: null }],
    [
      "r.example/a/b-c/d_e:v1.0",
      { registry: "r.example", repository: "a/b-c/d_e", tag: "v1.0", digest: null },
    ],
    ["127.0.0.1:5000/base:1", { registry: "127.0.0.1:5000", repository: "base", tag: "1", digest: null }],
    ["[::1]:5000/base", { registry: "[::1]:5000", repository: "base", tag: null, digest: null }],
    [`r.example/base@${DIGEST}`, { registry: "r.example", repository: "base", tag: null, digest: DIGEST }],
    [`r.example/base:x@${DIGEST}`, { registry: "r.example", repository: "base", tag: "x", digest: DIGEST }],
  ])("reads %s", (text, expected) => {
    expect(parseReference(text)).toEqual(expected)
  })

  it.each([
    ["base", "names no registry"],
    ["library/base", "needs a dot"],
    ["r.example/Base", "cannot be a repository"],
    ["r.example/../base", "cannot be a repository"],
    ["r.example/a//b", "cannot be a repository"],
    ["r.example/base?x=1", "cannot be a repository"],
    ["user:word@r.example/base", "after @"],
    ["r.example/base:-x", "cannot be a tag"],
    ["r.example/base:", "cannot be a tag"],
    ["r.example/base@sha256:00", "after @"],
    [`r.example/base@${DIGEST.toUpperCase()}`, "after @"],
    [`r.example/base@${DIGEST}@${DIGEST}`, "more than one @"],
    ["https://r.example/base", "is no registry's host"],
    ["r.example:99999/base", "is no registry's host"],
    ["[::1::2]/base", "is no registry's host"],
    ["r.example\n/base", "is no registry's host"],
  ])("refuses %s", (text, reason) => {
    expect(() => parseReference(text)).toThrow(reason)
  })

  it("gives the name that is pinned", () => {
    expect(renderPinned(parseReference("r.example/base:x"), DIGEST)).toBe(`r.example/base:x@${DIGEST}`)
  })
})
