import fc from "fast-check"
import { describe, it } from "vitest"
import { Fault } from "../../contract/fault.ts"
import { ANNOTATION, MEDIA, OCI_MANIFEST, parseArtifact, renderArtifact } from "../../publish/oci/artifact.ts"
import { parseReference, renderPinned } from "../../publish/oci/reference.ts"
import { parseChallenge } from "../../publish/oci/registry/challenge.ts"
import { FUZZ_TIMEOUT_MS, runProperty } from "./run-property.ts"

const digest = `sha256:${"0a".repeat(32)}`
const odd = fc.oneof(
  fc.constantFrom(null, "", "..", "../x", ".hidden", "manifest.toml", digest, MEDIA.file, -1, 1e300, [], {}),
  fc.string({ maxLength: 12 }),
  fc.integer(),
)
const descriptor = (mediaType: string) =>
  fc.record(
    {
      mediaType: fc.oneof(fc.constant(mediaType), odd),
      digest: fc.oneof(fc.constant(digest), odd),
      size: fc.oneof(fc.nat(), odd),
      annotations: fc.oneof(fc.record({ [ANNOTATION.title]: fc.oneof(fc.constant("vmlinuz"), odd) }), odd),
      extra: odd,
    },
    { requiredKeys: ["mediaType", "digest", "size", "annotations"] },
  )
const document = fc.record({
  schemaVersion: fc.oneof(fc.constant(2), odd),
  mediaType: fc.oneof(fc.constant(OCI_MANIFEST), odd),
  artifactType: fc.oneof(fc.constant(MEDIA.artifact), odd),
  config: descriptor(MEDIA.manifest),
  layers: fc.oneof(fc.array(descriptor(MEDIA.file), { maxLength: 3 }), odd),
})

/** Whether `parse` gives something of which `holds` is true, or says what is wrong. */
function saysOr<Value>(parse: () => Value, holds: (value: Value) => boolean): boolean {
  try {
    return holds(parse())
  } catch (thrown) {
    if (thrown instanceof Fault) return true
    throw thrown
  }
}

describe("what a registry answers", () => {
  it(
    "is an artifact whose files have plain names, each once, or is refused with a reason",
    () =>
      runProperty(
        fc.property(document, (value) =>
          saysOr(
            () => parseArtifact(Buffer.from(JSON.stringify(value)), "here"),
            (artifact) => {
              const names = artifact.layers.map(({ annotations }) => annotations[ANNOTATION.title])
              const plain =
                names.every((name) => !/[/\0]|^\./.test(name)) && new Set(names).size === names.length
              // what was read can be written, and read again as the same
              const again = parseArtifact(renderArtifact(artifact), "here")
              return plain && JSON.stringify(again) === JSON.stringify(artifact)
            },
          ),
        ),
      ),
    FUZZ_TIMEOUT_MS,
  )

  it(
    "is refused with a reason when it is no JSON at all",
    () =>
      runProperty(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) =>
          saysOr(
            () => parseArtifact(Buffer.from(bytes), "here"),
            () => false,
          ),
        ),
      ),
    FUZZ_TIMEOUT_MS,
  )

  it(
    "is a challenge or none, in little time",
    () =>
      runProperty(
        fc.property(
          fc
            .array(
              fc.constantFrom(
                "Bearer",
                "basic",
                " ",
                ",",
                "=",
                '"',
                "\\",
                "realm",
                'realm="',
                "scope",
                "a".repeat(500),
                "\n",
              ),
              {
                maxLength: 60,
              },
            )
            .map((parts) => parts.join("")),
          (header) => {
            const challenge = parseChallenge(header)
            return (
              challenge === null || challenge.scheme === "basic" || challenge.realm.length <= header.length
            )
          },
        ),
      ),
    FUZZ_TIMEOUT_MS,
  )
})

describe("a name in a registry", () => {
  it(
    "is refused, or means the same when it is written with its digest",
    () =>
      runProperty(
        fc.property(
          fc
            .array(
              fc.constantFrom(
                "r.example",
                "localhost",
                "[::1]",
                ":5000",
                "/",
                "base",
                "a-b",
                "..",
                ":",
                "v1",
                `@${digest}`,
                "@",
                "A",
                " ",
                "%2f",
              ),
              {
                minLength: 1,
                maxLength: 7,
              },
            )
            .map((parts) => parts.join("")),
          (text) =>
            saysOr(
              () => parseReference(text),
              (reference) => {
                const again = parseReference(renderPinned(reference, digest))
                const url = new URL(`https://${reference.registry}/v2/${reference.repository}/x`)
                const stays = url.pathname === `/v2/${reference.repository}/x`
                return stays && JSON.stringify(again) === JSON.stringify({ ...reference, digest })
              },
            ),
        ),
      ),
    FUZZ_TIMEOUT_MS,
  )
})
