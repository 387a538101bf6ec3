/** `site.toml`: where an image for a cloud finds its gateway, and who may log in. Given when it is built. */

import { z } from "zod"

const why = z.string().min(8, "expected a reason of at least 8 characters")
const gatewayAddress = z
  .ipv4()
  .refine(
    (text) => !/^(0|127|169\.254|22[4-9]|2[3-5]\d)\./.test(text),
    "expected the address of one host, and not the cloud's metadata service",
  )

export const site = z.strictObject({
  gateway: z.strictObject({
    /** The only address that anything of the guest may leave to; not a name, for there is no resolver. */
    address: gatewayAddress,
    port: z.int().min(1).max(65_535).default(3128),
    /** What its certificate is for; absent: for its address. */
    name: z
      .string()
      .regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/, "expected a host name")
      .optional(),
    /** File with the one authority that the gateway's certificate must be of, in PEM; beside site.toml. */
    ca: z.string().min(1),
  }),
  ssh: z.strictObject({
    /** Whose key opens the machine, as in authorized_keys. */
    keys: z
      .array(
        z
          .string()
          .regex(
            /^(ssh-ed25519|ecdsa-sha2-nistp\d+|ssh-rsa) [A-Za-z0-9+/=]+( [^\n\0]*)?$/,
            "expected a public key",
          ),
      )
      .min(1),
    allow: z
      .array(
        z.strictObject({
          /** From where connections to sshd are taken. */
          net: z.cidrv4().refine((text) => !text.endsWith("/0"), "expected less than the whole internet"),
          why,
        }),
      )
      .min(1),
  }),
})

/** What of it a manifest and a packet filter need. */
export const siteWall = z.strictObject({
  gateway: z.strictObject({ address: z.ipv4(), port: z.int() }),
  ssh: z.strictObject({ allow: z.array(z.cidrv4()) }),
})

export type SiteWall = z.infer<typeof siteWall>

/** With the authority's text in the place of its file. */
export type Site = z.infer<typeof site>
