/**
 * Which drawing: the richest one that fits.
 */
import { boxes } from "./Boxes.ts"
import { generations } from "./Generations.ts"
import { group } from "./Groups.ts"
import { span } from "./Ink.ts"
import type { Line } from "./Ink.ts"
import * as Levels from "./Levels.ts"
import { size } from "./Picture.ts"
import type { Picture } from "./Picture.ts"
import { rails } from "./Rails.ts"
import type { Style } from "./Style.ts"
import * as Text from "./Text.ts"

export type Kind = "boxes" | "rails" | "groups" | "levels"

export interface Frame {
  /** Columns. */
  readonly width: number
  /** Lines. */
  readonly height: number
}

/** More boxes than this are harder to read than a list. */
const boxLimit = 24
const boxLines = 36
const railLimit = 150

/** The drawing of a kind, or nothing where it does not fit into the frame; `levels` always does. */
export const ofKind = (kind: Kind, picture: Picture, frame: Frame, style: Style): ReadonlyArray<Line> | undefined => {
  switch (kind) {
    case "boxes":
      return within(frame, boxes(picture, frame.width, style))
    case "rails":
      return within(frame, rails(picture, frame.width, style))
    case "groups": {
      const groups = group(picture)
      const room = { ...frame, height: frame.height - 1 }
      const drawn = within(room, boxes(groups, frame.width, style)) ?? within(room, rails(groups, frame.width, style))
      return drawn === undefined ? undefined : [...drawn, note(picture, groups.nodes.length, "group")]
    }
    case "levels": {
      const lines = Math.max(2, Math.min(Levels.limit, frame.height))
      const deep = generations(picture).reduce((most, generation) => Math.max(most, generation + 1), 0)
      return [...Levels.levels(picture, frame.width, style, lines - 1), note(picture, deep, "generation")]
    }
  }
}

/** Boxes for what is small, one box for like steps where that makes it small, rails, then the list. */
export const fitting = (picture: Picture, frame: Frame, style: Style): ReadonlyArray<Line> => {
  const count = picture.nodes.length
  if (count === 0) return [[span("no steps", "faint")]]
  const low = { ...frame, height: Math.min(frame.height, boxLines) }
  const foldable = () => group(picture).nodes.length <= Math.min(boxLimit, count / 2)
  return (
    (count <= boxLimit ? ofKind("boxes", picture, low, style) : undefined) ??
    (foldable() ? ofKind("groups", picture, low, style) : undefined) ??
    (count <= railLimit ? ofKind("rails", picture, frame, style) : undefined) ??
    ofKind("levels", picture, frame, style)!
  )
}

const within = (frame: Frame, lines: ReadonlyArray<Line> | undefined): ReadonlyArray<Line> | undefined =>
  lines !== undefined && lines.length <= frame.height ? lines : undefined

/** What is folded into what. */
const note = (picture: Picture, parts: number, part: string): Line => [
  span(`${counted(size(picture), "step")} in ${counted(parts, part)}`, "faint")
]

const counted = (count: number, word: string): string => `${Text.count(count)} ${word}${count === 1 ? "" : "s"}`
