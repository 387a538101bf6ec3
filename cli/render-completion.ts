/** Completion scripts for bash, zsh and fish. */

import { quoteWords } from "../contract/quote-words.ts"
import type { Completed, CompletionNode, CompletionOption } from "./completion-tree.ts"
import { renderNames } from "./render-names.ts"

/** For \`source <(stereo completion bash)\`. */
export function renderBash(nodes: readonly CompletionNode[], projectDir: string): string {
  return `# bash completion of stereo
__stereo_names() { ${renderNames(projectDir, '"$1"', (text) => quoteWords([text]))}; }
_stereo() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path= kind= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    # what follows is a command inside a machine
    if [[ \${COMP_WORDS[i]} == -- ]]; then compopt -o default; COMPREPLY=(); return; fi
${renderWalk(nodes, `"$path/\${COMP_WORDS[i]}"`)}
  done
${renderChoice(nodes)}
  [[ $cur == -* || $kind == words ]] || case $kind in
    files) compopt -o default; words= ;;
    nothing) words= ;;
    *) words=$(__stereo_names "$kind") ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _stereo stereo
`
}

/** For \`source <(stereo completion zsh)\`, after compinit. */
export function renderZsh(nodes: readonly CompletionNode[], projectDir: string): string {
  return `#compdef stereo
__stereo_names() { ${renderNames(projectDir, '"$1"', (text) => quoteWords([text]))} }
_stereo() {
  local cur=$words[CURRENT] prev=$words[CURRENT-1] path_= kind= found= i
  for ((i = 2; i < CURRENT; i++)); do
    # what follows is a command inside a machine
    if [[ $words[i] == -- ]]; then _default; return; fi
${renderWalk(nodes, '"$path_/$words[i]"').replaceAll("path=", "path_=")}
  done
${renderChoice(nodes).replaceAll("$path:", "$path_:").replaceAll("words=", "found=")}
  [[ $cur == -* || $kind == words ]] || case $kind in
    files) _files; return ;;
    nothing) found= ;;
    *) found=$(__stereo_names "$kind") ;;
  esac
  compadd -- \${=found}
}
compdef _stereo stereo
`
}

/** For a file in fish's completions folder. */
export function renderFish(nodes: readonly CompletionNode[], projectDir: string): string {
  const lines = nodes.flatMap((node) => {
    const when = `-n '__stereo_at ${["stereo", ...node.path].join("/")}'`
    const commands = node.commands.map((name) => {
      const one = nodes.find(({ path }) => path.join("/") === [...node.path, name].join("/"))
      return `complete -c stereo ${when} -f -a ${name} -d ${quote(one?.description ?? "")}`
    })
    const argument = renderFishValue(node.argument)
    const own = argument === null ? [] : [`complete -c stereo ${when} -f -a ${argument}`]
    return [...commands, ...own, ...node.options.map((option) => renderFishOption(option, when))]
  })
  const paths = nodes.map(({ path }) => ["stereo", ...path].join("/")).join(" ")
  return `# fish completion of stereo
function __stereo_names; ${renderNames(projectDir, "$argv[1]", quote)}; end
function __stereo_at
  set -l path stereo
  for word in (commandline -opc)[2..]
    test $word = --; and return 1
    contains -- $path/$word ${paths}; and set path $path/$word
  end
  test $path = $argv[1]
end
${lines.join("\n")}
`
}

/** Follows the words typed so far down the tree of commands. */
function renderWalk(nodes: readonly CompletionNode[], next: string): string {
  const paths = nodes.filter(({ path }) => path.length > 0).map(({ path }) => `/${path.join("/")}`)
  return `    case ${next} in ${paths.join("|")}) path=${next} ;; esac`
}

/** Sets kind and words from where the cursor is and from the option before it. */
function renderChoice(nodes: readonly CompletionNode[]): string {
  const cases = nodes.flatMap((node) => {
    const path = node.path.map((word) => `/${word}`).join("")
    const values = node.options.flatMap(({ flags, value }) =>
      value === null
        ? []
        : [`    ${flags.map((flag) => `${path}:${flag}`).join("|")}) ${renderValue(value, "")} ;;`],
    )
    const options = node.options.map(({ flags }) => flags[0]).join(" ")
    const argument: Completed =
      node.commands.length > 0 ? { kind: "words", words: node.commands } : node.argument
    return [...values, `    ${path}:*) ${renderValue(argument, options)} ;;`]
  })
  return `  case "$path:$prev" in\n${cases.join("\n")}\n  esac`
}

function renderValue(value: Completed, options: string): string {
  const words = value.kind === "words" ? [...value.words, options] : [options]
  return `kind=${value.kind} words='${words.join(" ").trim()}'`
}

function renderFishOption({ flags, description, value }: CompletionOption, when: string): string {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
  const argument = value === null ? null : renderFishValue(value)
  const takes = value === null ? "" : argument === null ? " -r" : ` -x -a ${argument}`
  return `complete -c stereo ${when} ${names.join(" ")}${takes} -d ${quote(description)}`
}

function renderFishValue(value: Completed): string | null {
  if (value.kind === "words") return quote(value.words.join(" "))
  if (value.kind === "files" || value.kind === "nothing") return null
  return quote(`(__stereo_names ${value.kind})`)
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`
}
