/**
 * The nodes of a picture by the regions around them, for formats that can frame them.
 */
import type { Picture, PictureRegion } from "./Picture.ts"

export interface RegionTree {
  /** Positions of the nodes that lie in no further region. */
  readonly nodes: ReadonlyArray<number>
  readonly regions: ReadonlyArray<{ readonly region: number; readonly label: string; readonly inner: RegionTree }>
}

/** Regions without a node of this picture are left out. `regions`: those of the outermost picture. */
export const regionTree = (picture: Picture, regions: ReadonlyArray<PictureRegion>): RegionTree => {
  const nodes = new Map<number | undefined, Array<number>>()
  picture.nodes.forEach(({ region }, index) => push(nodes, region, index))
  const used = new Set<number | undefined>()
  for (const region of nodes.keys()) {
    for (let at = region; at !== undefined && !used.has(at); at = regions[at]?.parent) used.add(at)
  }
  const children = new Map<number | undefined, Array<number>>()
  regions.forEach(({ parent }, index) => {
    if (used.has(index)) push(children, parent, index)
  })
  const tree = (region: number | undefined): RegionTree => ({
    nodes: nodes.get(region) ?? [],
    regions: (children.get(region) ?? []).map((index) => ({
      region: index,
      label: name(regions[index]!),
      inner: tree(index)
    }))
  })
  return tree(undefined)
}

const name = ({ kind, label }: PictureRegion): string => {
  if (kind === "flow") return label
  return label === "any" ? "on failure" : label === "declared" ? "on error" : `on ${label}`
}

const push = <K>(lists: Map<K, Array<number>>, key: K, value: number): void => {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
