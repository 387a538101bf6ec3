/** The account files of an image: every password field is `*`, so that no password opens an account. */

import type { ImageDefinition } from "../image-definition.ts"

export interface AccountFile {
  readonly path: string
  readonly mode: number
  readonly text: string
}

/** /etc/passwd, /etc/group and /etc/shadow. sshd without PAM refuses `!` but lets keys in with `*`. */
export function renderAccounts(definition: Pick<ImageDefinition, "user" | "group">): AccountFile[] {
  const users = [...definition.user].sort((left, right) => left.uid - right.uid)
  const own = users.map(({ name, gid }) => ({ name, gid, members: [] as string[] }))
  const groups = [...own, ...definition.group].sort((left, right) => left.gid - right.gid)
  const lines = (rows: readonly string[]) => `${rows.join("\n")}\n`
  return [
    {
      path: "/etc/passwd",
      mode: 0o644,
      text: lines(
        users.map(({ name, uid, gid, home, shell }) => `${name}:x:${uid}:${gid}::${home}:${shell}`),
      ),
    },
    {
      path: "/etc/group",
      mode: 0o644,
      text: lines(groups.map(({ name, gid, members }) => `${name}:x:${gid}:${members.join(",")}`)),
    },
    { path: "/etc/shadow", mode: 0o600, text: lines(users.map(({ name }) => `${name}:*::::::`)) },
  ]
}
