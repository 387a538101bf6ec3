/** `policies/providers/NAME.toml`: a model provider as the gateway knows it. Credentials are never here. */

import { z } from "zod"

export const providerDefinition = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "expected lower-case letters, digits and dashes"),
  /** The authority by which guests call it. */
  host: z.string(),
  /** Where it really is; host.toml may say otherwise. */
  upstream: z.url(),
  credential: z.strictObject({
    /** Request header of the real credential, towards the provider. */
    header: z.string(),
    /** Text before the credential in that header, for example `Bearer `. */
    prefix: z.string().default(""),
    /** The host service's environment variable that may hold it; host.toml comes first. */
    environment: z.string(),
  }),
  placeholder: z.strictObject({
    /** The guest's environment variable that holds the placeholder. */
    environment: z.string(),
    /** How a placeholder begins, so that clients which check the form accept it. */
    prefix: z.string(),
  }),
  /** Paths whose exchanges carry tokens, and the wire format of their usage. */
  endpoints: z
    .array(
      z.strictObject({
        /** As the paths of an egress rule: `*` stands for any characters of one segment. */
        path: z.string().startsWith("/"),
        api: z.enum([
          "anthropic-messages",
          "openai-chat-completions",
          "openai-responses",
          "google-generate-content",
        ]),
      }),
    )
    .min(1),
})
export type ProviderDefinition = z.infer<typeof providerDefinition>
export type ProviderApi = ProviderDefinition["endpoints"][number]["api"]
