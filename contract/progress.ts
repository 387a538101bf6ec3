/** How a spine tells whoever runs it what it is doing; the CLI draws it, tests ignore it. */

export interface Progress {
  /** Runs `work` as a named step; `note` replaces the text shown beside it. The step fails if `work` throws. */
  step<Result>(title: string, work: (note: (text: string) => void) => Promise<Result>): Promise<Result>
}

/** Draws nothing. */
export const silentProgress: Progress = {
  step: (_title, work) => work(() => undefined),
}
