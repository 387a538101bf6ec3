/** Names, numbers and paths on the wires. Free of imports, so that the guest's programs stay small. */

/** The NIC's side: the only address and port that the guest can reach (QEMU's guestfwd). */
export const GATEWAY = { address: "10.0.2.100", port: 3128, guestAddress: "10.0.2.15", prefix: 24 } as const

/** Users that every image has. */
export const GUEST_USERS = {
  root: { uid: 0 },
  /** The guest agent and its helpers. */
  stereo: { uid: 988 },
  capture: { uid: 990 },
  agent: { uid: 1000 },
} as const

/** Where the capture proxy listens, all on 127.0.0.1. */
export const CAPTURE_PORTS = {
  /** HTTP proxy by name (CONNECT and absolute-form). */
  explicit: 3128,
  /** Port 80 of everyone but the proxy, redirected by nftables. */
  http: 3180,
  /** Port 443 of everyone but the proxy, redirected by nftables. */
  https: 3443,
  dns: 53,
} as const

/** Synthetic addresses that the guest's DNS answers with (RFC 2544 benchmarking range, never routed). */
export const SYNTHETIC_NET = { base: "198.18.0.0", prefix: 15 } as const

/** The virtio-serial ports by name. */
export const VIRTIO_PORTS = { control: "stereo.control", uplink: "stereo.uplink" } as const

/** Files that the two guest programs leave for others, under a tmpfs. */
export const GUEST_FILES = {
  /** The agent's own; its parent is root's. */
  dir: "/run/stereo/agent",
  caCertificate: "/run/stereo/ca/ca.crt",
  caBundle: "/run/stereo/ca/bundle.crt",
  /** Unix socket of the agent that takes envelopes from the capture proxy (its group only). */
  envelopes: "/run/stereo/agent/envelopes.sock",
} as const

/** Where systemd waits for the guest agent, a socket unit each: for every connection it starts one instance of a unit. */
export const GUEST_UNITS = {
  /** `sshd -i` as the agent, or as root. */
  session: { agent: "/run/stereo-units/session", root: "/run/stereo-units/root-session" },
  /** Takes `NAME SECONDS` (or `-` for a clock that is right) and says `done`. */
  identity: "/run/stereo-units/identity",
  /** `nft -j list ruleset` */
  ruleset: "/run/stereo-units/ruleset",
  /** `nft -j monitor` */
  watch: "/run/stereo-units/watch",
  /** Ends the machine. */
  poweroff: "/run/stereo-units/poweroff",
} as const

/** What an image for a cloud is told of its site when it is built; an image for this host has none of them. */
export const SITE_FILES = {
  /** JSON: address, port, and perhaps the name that the gateway's certificate is for. */
  gateway: "/usr/lib/stereo/site/gateway.json",
  authority: "/usr/lib/stereo/site/gateway-ca.pem",
  authorizedKeys: "/usr/lib/stereo/site/authorized_keys",
} as const

/** Request headers that only the capture proxy sets and that the host takes off again. */
export const GUEST_CLAIM_HEADERS = {
  /** The guest's own id of the exchange. */
  exchange: "stereo-exchange",
  /** `PID EXECUTABLE` of the calling process, as the guest saw it. */
  process: "stereo-process",
  /** The server name of the TLS handshake; absent for plain HTTP. It must be the authority's host. */
  sni: "stereo-sni",
  /** The id under which the envelope carries its digests. */
  prefix: "stereo-",
} as const

/**
 * Where sshd of a cloud image answers, a port for each user: each is a socket unit with limits of its own. Both are ports
 * that only a process with CAP_NET_BIND_SERVICE can listen on.
 */
export const SSH_PORTS = { agent: 22, root: 222 } as const

/** How a line of the console begins on which a cloud guest shows an SSH host key, `USER ssh-ed25519 BASE64`. */
export const HOST_KEY_LINE = "stereo-host-key:"

/** A guest says at least so often that it is still what it was measured to be, milliseconds. */
export const MEASUREMENT_EVERY_MS = 5_000

/** Response header by which the host marks an answer of its own; its value is the verdict's rule. */
export const VERDICT_HEADER = "stereo-verdict"
