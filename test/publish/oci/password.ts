/** A registry that wants a password, as distribution is told so, and the credential that it takes. */

import type { Credential } from "../../../publish/oci/registry/docker-config.ts"

export const USER = "someone"
export const PASSWORD = "secret"
/** bcrypt of PASSWORD, the one form that distribution takes. */
export const HTPASSWD = `${USER}:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n`
export const HTPASSWD_AUTH = "{htpasswd: {realm: tests, path: /work/htpasswd}}"
export const right: Credential = { kind: "password", user: USER, password: PASSWORD }
