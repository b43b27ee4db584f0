/**
 * Addresses name one node of one run: `12` is node 12 of the plan; `7.3.12` is node 12 in instance 3 of the body that
 * node 7 collects. Two more numbers for every body inside a body.
 */
import type { Plan } from "./Document.ts"

/** The instances around a node, outermost first: which collect, which element. */
export type Frame = ReadonlyArray<readonly [collect: number, index: number]>

export const make = (frame: Frame, node: number): string => {
  let address = ""
  for (const [collect, index] of frame) address += `${collect}.${index}.`
  return address + node
}

/** Undefined for what is not an address. Plain, because every delivery from inside a `forEach` comes through here. */
export const parse = (address: string): { readonly frame: Frame; readonly node: number } | undefined => {
  const frame: Array<readonly [number, number]> = []
  let start = 0
  let collect = -1
  for (;;) {
    const dot = address.indexOf(".", start)
    const number = numberIn(address, start, dot < 0 ? address.length : dot)
    if (number < 0) return undefined
    if (dot < 0) return collect < 0 ? { frame, node: number } : undefined
    if (collect < 0) collect = number
    else {
      frame.push([collect, number])
      collect = -1
    }
    start = dot + 1
  }
}

/** The decimal number between two positions; -1 when there is none. */
const numberIn = (text: string, start: number, end: number): number => {
  let number = start < end ? 0 : -1
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return -1
    number = number * 10 + digit
  }
  return number
}

/** The readable id of an address: `resize`, `each[3].resize`. */
export const toId = (plan: Plan, address: string): string => {
  const parsed = parse(address)
  if (parsed === undefined) return address
  const prefix = parsed.frame.map(([collect, index]) => `${plan.nodes[collect]?.id ?? collect}[${index}].`).join("")
  return prefix + (plan.nodes[parsed.node]?.id ?? String(parsed.node))
}

/** The address of a readable id, or of what is one already; undefined when the plan has no such node there. */
export const fromId = (plan: Plan, id: string): string | undefined => {
  if (parse(id) !== undefined) return id
  const frame: Array<readonly [number, number]> = []
  let rest = id
  for (;;) {
    const node = plan.nodes.findIndex((each) => each.id === rest)
    if (node >= 0) return make(frame, node)
    const instance = /^(.+?)\[(\d+)\]\.(.+)$/.exec(rest)
    const collect = instance === null ? -1 : plan.nodes.findIndex((each) => each.id === instance[1])
    if (collect < 0) return undefined
    frame.push([collect, Number(instance![2])])
    rest = instance![3]!
  }
}
