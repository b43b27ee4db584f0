/**
 * Tries mutants: whether the test that is named with each finds it, and whether it holds without.
 */
import type * as Copy from "./Copy.ts"
import type { Catcher, Mutant } from "./Mutant.ts"

/** How long a test may take before the bug is found by that: no test of these takes half as long. Milliseconds. */
const patience = 30_000

export type Verdict =
  /** By the test of this name. */
  | { readonly _tag: "Caught"; readonly by: string }
  | { readonly _tag: "Survived" }
  /** It proves nothing: no test has that name, or the change is no program. */
  | { readonly _tag: "Void"; readonly why: string }

export const attempt = (copy: Copy.Copy, mutant: Mutant): Promise<Verdict> =>
  copy.withMutant(mutant, async () => {
    const { hung, tested, trouble } = await copy.test(mutant.by.test, [mutant.by.name], patience)
    if (hung) return { _tag: "Caught", by: `${mutant.by.name} (it does not end)` }
    if (trouble !== undefined) return { _tag: "Void", why: inOneLine(trouble) }
    const failed = tested.find(({ passed }) => !passed)
    if (failed === undefined) return tested.length === 0 ? { _tag: "Void", why: "no such test" } : { _tag: "Survived" }
    const broken = /Error (compiling|registering) function.*|nonexistent global variable.*|ReferenceError.*/.exec(
      failed.message
    )
    return broken === null ? { _tag: "Caught", by: failed.name } : { _tag: "Void", why: broken[0] }
  })

/** What is wrong with these tests of one file where there is no bug. */
export const rehearse = async (copy: Copy.Copy, catchers: ReadonlyArray<Catcher>): Promise<ReadonlyArray<string>> => {
  const names = catchers.map(({ name }) => name)
  const { hung, tested, trouble } = await copy.test(catchers[0]!.test, names, patience * catchers.length)
  if (hung || trouble !== undefined) return [`${catchers[0]!.test}: ${trouble ?? "does not end"}`]
  const failed = tested.filter(({ passed }) => !passed).map(({ message, name }) => `${name}: ${message}`)
  const missing = names.filter((name) => !tested.some((test) => test.name.includes(name)))
  return [...failed, ...(failed.length > 0 ? [] : missing.map((name) => `${catchers[0]!.test} has no test "${name}"`))]
}

const inOneLine = (text: string): string => text.replaceAll(/\s+/g, " ").slice(0, 200)
