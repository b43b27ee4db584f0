/**
 * The layered drawing: boxes in layers, lines between them, from the top down or from left to right.
 *
 * It is laid out in two directions, *along* the edges and *across* them, and only put on the grid in rows and columns at
 * the end; so both orientations are one algorithm.
 */
import * as Box from "./Box.ts"
import type { Pen } from "./Grid.ts"
import type { Line } from "./Ink.ts"
import * as Layers from "./Layers.ts"
import type { Picture } from "./Picture.ts"
import { before, places } from "./Places.ts"
import * as Routes from "./Routes.ts"
import type { Route } from "./Routes.ts"
import { Sheet } from "./Sheet.ts"
import type { Style } from "./Style.ts"

interface Drawing {
  readonly lines: ReadonlyArray<Line>
  readonly width: number
}

/** Labels are cut to the first of these that lets the drawing fit. */
const labelLimits = [48, 32, 24, 16, 12]

/** A drawing from left to right is taken where it saves more lines than this. */
const worthwhile = 3

/** The better of the two orientations that fits into the columns; nothing if neither does. */
export const boxes = (picture: Picture, columns: number, style: Style): ReadonlyArray<Line> | undefined => {
  const layers = Layers.make(picture)
  if (layers === undefined) return undefined
  for (const limit of labelLimits) {
    const [standing, lying] = [down, right].map((orientation) => {
      const drawing = layout(picture, layers, limit, orientation, style)
      return drawing.width <= columns ? drawing.lines : undefined
    })
    if (standing !== undefined && (lying === undefined || standing.length <= lying.length + worthwhile)) return standing
    if (lying !== undefined) return lying
  }
  return undefined
}

/** What differs between the orientations. */
interface Orientation {
  readonly down: boolean
  /** Blank cells between two boxes of a layer, and beside a line that passes. */
  readonly gap: { readonly boxes: number; readonly lines: number }
  /** Cells between the ports of a box, where there is room. */
  readonly spread: number
  /** Cells along for a space between layers with so many tracks, and where its first track is. */
  readonly space: (tracks: number) => { readonly first: number; readonly step: number; readonly size: number }
}

const down: Orientation = {
  down: true,
  gap: { boxes: 2, lines: 2 },
  spread: 4,
  space: (tracks) => ({ first: 0, step: 1, size: tracks + 1 })
}

const right: Orientation = {
  down: false,
  gap: { boxes: 0, lines: 0 },
  spread: 1,
  space: (tracks) => ({ first: 1, step: 2, size: tracks === 0 ? 3 : 2 * tracks + 2 })
}

/** What is to be placed: the boxes, and the cells they and the bends of lines take. */
interface Measured {
  readonly layers: Layers.Layers
  readonly orientation: Orientation
  /** By vertex; nothing for a bend. */
  readonly boxes: ReadonlyArray<Box.Box | undefined>
  readonly breadth: ReadonlyArray<number>
  readonly length: ReadonlyArray<number>
}

const layout = (
  picture: Picture,
  layers: Layers.Layers,
  limit: number,
  orientation: Orientation,
  style: Style
): Drawing => {
  const measured = measure(picture, layers, limit, orientation, style)
  const { boxes, breadth, length } = measured
  const gap = (a: number, b: number) =>
    boxes[a] === undefined || boxes[b] === undefined ? orientation.gap.lines : orientation.gap.boxes
  const middle = places(layers, breadth, gap)
  const ports = Routes.ports(layers, middle, breadth, orientation.spread)
  const sheet = new Sheet(style.glyphs, orientation.down)
  let start = 0
  layers.order.forEach((vertices, layer) => {
    const depth = Math.max(...vertices.map((vertex) => length[vertex]!))
    const routes = Routes.routes(layers, ports, layer)
    const tracks = Math.max(-1, ...routes.map((route) => route.track ?? -1)) + 1
    const { first, step, size } = orientation.space(tracks)
    const end = start + depth + size - 1
    for (const vertex of vertices) {
      const box = boxes[vertex]
      // From left to right, boxes of a layer are equally wide; from the top down each is as high as its text.
      const long = orientation.down ? length[vertex]! : depth
      if (box !== undefined) {
        sheet.box(box, start, middle[vertex]! - before(breadth[vertex]!), long, breadth[vertex]!)
      }
    }
    const space: Space = { start, depth, end, track: (track) => start + depth + first + step * track }
    for (const route of routes) draw(sheet, measured, ports, space, route, routes)
    start = end + 1
  })
  const lines = sheet.lines()
  return { lines, width: Math.max(0, ...lines.map((line) => line.length)) }
}

const measure = (
  picture: Picture,
  layers: Layers.Layers,
  limit: number,
  orientation: Orientation,
  style: Style
): Measured => {
  const captions = captionsOf(picture)
  const boxes = layers.vertices.map(({ node }) =>
    node === undefined ? undefined : Box.make(picture.nodes[node]!, captions[node], limit, style)
  )
  const lines = Routes.lines(layers)
  const size = (box: Box.Box | undefined, vertex: number): readonly [breadth: number, length: number] => {
    if (box === undefined) return [1, 1]
    return orientation.down
      ? [Math.max(box.inner, 2 * lines[vertex]! - 1) + 2, box.height + 2]
      : [Math.max(box.height, lines[vertex]!) + 2, box.inner + 2]
  }
  const sizes = boxes.map(size)
  return {
    layers,
    orientation,
    boxes,
    breadth: sizes.map(([breadth]) => breadth),
    length: sizes.map(([, length]) => length)
  }
}

/** One layer and the space after it, along: where the layer starts, how deep it is, where the space ends. */
interface Space {
  readonly start: number
  readonly depth: number
  readonly end: number
  readonly track: (track: number) => number
}

const draw = (
  sheet: Sheet,
  { layers, orientation, boxes, length }: Measured,
  ports: Routes.Ports,
  { start, depth, end, track }: Space,
  route: Route,
  routes: ReadonlyArray<Route>
): void => {
  const pen: Pen = { owner: route.net, style: route.style }
  const net = layers.nets[route.net]!
  const turn = route.track === undefined ? undefined : track(route.track)
  if (turn !== undefined) {
    const cells = [...route.sources, ...route.targets]
    sheet.across(pen, turn, Math.min(...cells), Math.max(...cells))
  }
  if (route.continues !== undefined) {
    for (const cell of route.sources) sheet.along(pen, cell, track(route.continues.track!), turn!)
  } else {
    for (const vertex of net.sources) {
      const cell = ports.source[route.net]!.get(vertex)!
      const boxed = boxes[vertex] !== undefined
      // From a box the line begins in its frame, so that even a line of one cell is joined to it.
      const from = boxed ? start + (orientation.down ? length[vertex]! : depth) - 1 : start
      sheet.along(pen, cell, from, turn ?? end)
      if (boxed) sheet.leave(from, cell)
    }
  }
  const goesOn = new Set(routes.flatMap((other) => (other.continues === route ? other.sources : [])))
  for (const cell of route.targets) if (turn !== undefined && !goesOn.has(cell)) sheet.along(pen, cell, turn, end)
  for (const vertex of net.targets) {
    const cell = ports.target[route.net]!.get(vertex)!
    if (boxes[vertex] !== undefined && route.targets.includes(cell)) sheet.arrive(end, cell)
  }
}

/** When the branch that begins at a node is taken: shown in its frame. */
const captionsOf = (picture: Picture): ReadonlyArray<string | undefined> => {
  const captions = new Array<string | undefined>(picture.nodes.length)
  for (const edge of picture.edges) {
    if (edge.label === undefined) continue
    const known = captions[edge.to]
    captions[edge.to] = known === undefined || known === edge.label ? edge.label : `${known}, ${edge.label}`
  }
  return captions
}
