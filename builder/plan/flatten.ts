/** One definition out of a line of them: lists are joined in order, of single values and settings the last wins. */

import { type ImageDefinition, imageDefinition } from "../image-definition.ts"

const NOTHING = imageDefinition.parse({
  name: "nothing",
  description: "what a line of definitions begins with",
})

/** `line` begins with the image that extends nothing and ends with the one that is wanted. */
export function flattenDefinitions(line: readonly ImageDefinition[]): ImageDefinition {
  const [first, ...rest] = line
  if (!first) throw new RangeError("a line of definitions has at least one")
  return rest.reduce(extend, extend(NOTHING, first))
}

function extend(base: ImageDefinition, child: ImageDefinition): ImageDefinition {
  return {
    name: child.name,
    description: child.description,
    site: child.site ?? base.site,
    debian: {
      suite: child.debian.suite ?? base.debian.suite,
      packages: [...base.debian.packages, ...child.debian.packages],
    },
    boot: { packages: [...base.boot.packages, ...child.boot.packages] },
    npm: [...base.npm, ...child.npm],
    npm_tree: [...base.npm_tree, ...child.npm_tree],
    template: [...base.template, ...child.template],
    program: [...base.program, ...child.program],
    link: [...base.link, ...child.link],
    directory: [...base.directory, ...child.directory],
    owner: [...base.owner, ...child.owner],
    user: [...base.user, ...child.user],
    group: [...base.group, ...child.group],
    prune: [...base.prune, ...child.prune],
    keep: [...base.keep, ...child.keep],
    library: [...base.library, ...child.library],
    mask: [...base.mask, ...child.mask],
    enable: [...base.enable, ...child.enable],
    root: { ...base.root, ...child.root },
    kernel: {
      modules: [...base.kernel.modules, ...child.kernel.modules],
      options: lastOfEach([...base.kernel.options, ...child.kernel.options], ({ text }) => optionKey(text)),
    },
    sysctl: lastOfEach([...base.sysctl, ...child.sysctl], ({ key }) => key),
    exposure: [...base.exposure, ...child.exposure],
    exception: [...base.exception, ...child.exception],
    // not inherited: what extends an image has other things in it
    budget: child.budget,
    session: { ...base.session, ...child.session },
    resources: { ...base.resources, ...child.resources },
    egress: {
      sets: [...new Set([...base.egress.sets, ...child.egress.sets])],
      budget_mib: child.egress.budget_mib ?? base.egress.budget_mib,
    },
    env: { ...base.env, ...child.env },
  }
}

/** The word before `=`; a console is one of several. */
function optionKey(text: string): string {
  return text.startsWith("console=") ? text : (text.split("=")[0] ?? text)
}

/** Each key once, with the last value, at the place where the key stood first. */
function lastOfEach<Item>(items: readonly Item[], keyOf: (item: Item) => string): Item[] {
  return [...new Map(items.map((item) => [keyOf(item), item])).values()]
}
