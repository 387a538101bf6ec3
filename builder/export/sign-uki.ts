/** Signs a unified kernel image for Secure Boot. The signature holds its time: what is signed is another file each time. */

import { rename } from "node:fs/promises"
import { join } from "node:path"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { runTool } from "../tools-tree.ts"

export interface SecureBootKey {
  /** PEM file with a private RSA key, without a password. */
  readonly key: string
  /** PEM file with its certificate. */
  readonly certificate: string
}

export interface SigningRequest extends SecureBootKey {
  readonly toolsDir: string
  /** Has `uki.efi`, which is signed in place. */
  readonly dir: string
  readonly logFile: string
  readonly signal: AbortSignal
}

/** Fault: `export/not-signed`. */
export async function signUki(request: SigningRequest): Promise<void> {
  const { dir, toolsDir, key, certificate } = request
  const tool = { ...request, purpose: "the signature for Secure Boot", workDir: dir }
  try {
    await runTool(toolsDir, {
      ...tool,
      inputs: { key, certificate },
      command: [
        ...(["sbsign", "--key", "/in/key", "--cert", "/in/certificate"] as const),
        ...["--output", "/work/signed.efi", "/work/uki.efi"],
      ],
    })
    // sbsign takes any certificate with any key
    await runTool(toolsDir, {
      ...tool,
      inputs: { certificate },
      command: ["sbverify", "--cert", "/in/certificate", "/work/signed.efi"],
    })
  } catch (thrown) {
    request.signal.throwIfAborted()
    throw new Fault(
      "export/not-signed",
      `${key} with ${certificate} makes no signature that verifies: ${reasonOf(thrown)}`,
      {
        hint: "both are PEM files, the key an RSA key without a password: openssl req -new -x509 -newkey rsa:2048 -noenc -subj /CN=db -keyout db.key -out db.crt",
        cause: thrown,
      },
    )
  }
  await rename(join(dir, "signed.efi"), join(dir, "uki.efi"))
}
