/** The configuration of `sshd -i`: keys only, two users, no forwarding, the agent's environment. */

import { Fault } from "../../contract/fault.ts"
import { GUEST_FILES } from "../../contract/wire.ts"

export const SSH_FILES = {
  dir: `${GUEST_FILES.dir}/ssh`,
  config: `${GUEST_FILES.dir}/ssh/sshd_config`,
  hostKey: `${GUEST_FILES.dir}/ssh/host_key`,
  authorizedKeys: `${GUEST_FILES.dir}/ssh/authorized_keys`,
} as const

/** Each family of clients reads another variable; all of them must trust the capture proxy's CA. */
const TRUST: Readonly<Record<string, string>> = {
  NODE_EXTRA_CA_CERTS: GUEST_FILES.caCertificate,
  SSL_CERT_FILE: GUEST_FILES.caBundle,
  CURL_CA_BUNDLE: GUEST_FILES.caBundle,
  GIT_SSL_CAINFO: GUEST_FILES.caBundle,
  REQUESTS_CA_BUNDLE: GUEST_FILES.caBundle,
}

export function renderSshdConfig(env: Readonly<Record<string, string>>): string {
  const variables = Object.entries({ ...TRUST, ...env })
  return `${[
    "# Written by the guest agent when the host gave this machine its identity.",
    `HostKey ${SSH_FILES.hostKey}`,
    `AuthorizedKeysFile ${SSH_FILES.authorizedKeys}`,
    // the keys' file is the guest agent's, neither root's nor the user's
    "StrictModes no",
    "AllowUsers agent root",
    "AuthenticationMethods publickey",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin prohibit-password",
    "UsePAM no",
    "UseDNS no",
    "DisableForwarding yes",
    "PermitUserEnvironment no",
    "PermitUserRC no",
    "PermitTunnel no",
    "PrintMotd no",
    "PrintLastLog no",
    "AcceptEnv TERM LANG",
    "Subsystem sftp internal-sftp",
    "PidFile none",
    "LogLevel ERROR",
    // sshd takes only the first SetEnv line
    `SetEnv ${variables.map(([name, value]) => quote(name, value)).join(" ")}`,
  ].join("\n")}\n`
}

/** sshd unquotes \\" and \\\\ inside double quotes; a line break would begin a directive of its own. */
function quote(name: string, value: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new Fault("agent/bad-identity", `env: ${JSON.stringify(name)} is no name of a variable`)
  }
  if (/[\0\r\n]/.test(value)) {
    throw new Fault("agent/bad-identity", `env.${name}: a value must not hold a line break or NUL`)
  }
  return `"${name}=${value.replace(/[\\"]/g, "\\$&")}"`
}
