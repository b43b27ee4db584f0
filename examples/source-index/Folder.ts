/**
 * The files below a folder, in a stable order. Links are not followed, so that no loop can trap the walk, and what is
 * neither a file nor a folder (sockets, pipes, devices) is left alone.
 */
import type { Dirent } from "node:fs"
import { open, readdir } from "node:fs/promises"
import * as path from "node:path"
import type { File, Listing } from "./tasks.ts"

/** Folders that are full of files nobody wrote. */
const ignored = new Set([".git", "node_modules"])

const slash = Buffer.from("/")

export interface WalkOptions {
  /** Absolute paths of folders to leave out. */
  readonly except: ReadonlyArray<string>
  /** Look into `.git` and `node_modules` as well. */
  readonly all: boolean
}

/** Lists a folder. Rejects when the folder itself can't be read; a folder below it that can't is noted and passed by. */
export const walk = async (folder: string, options: WalkOptions): Promise<Listing> => {
  const root = Buffer.from(path.resolve(folder))
  const except = new Set(options.except.map((file) => path.resolve(file)))
  const files: Array<File> = []
  const notEntered: Array<{ path: string; reason: string }> = []

  const enter = async (relative: Buffer, entries: ReadonlyArray<Dirent<Buffer>>) => {
    for (const entry of entries.toSorted((a, b) => Buffer.compare(a.name, b.name))) {
      const below = relative.length === 0 ? entry.name : Buffer.concat([relative, slash, entry.name])
      if (entry.isFile()) files.push(toFile(below))
      if (!entry.isDirectory() || except.has(absolute(root, below).toString())) continue
      if (!options.all && ignored.has(entry.name.toString())) {
        notEntered.push({ path: readable(below), reason: "left out unless --all is given" })
        continue
      }
      try {
        await enter(below, await list(absolute(root, below)))
      } catch (error) {
        notEntered.push({ path: readable(below), reason: reasonOf(error) })
      }
    }
  }
  await enter(Buffer.alloc(0), await list(root))
  return { files, notEntered }
}

/** Names are bytes: on Linux nothing says that they are UTF-8. */
const list = (folder: Buffer): Promise<Array<Dirent<Buffer>>> =>
  readdir(folder, { withFileTypes: true, encoding: "buffer" })

const absolute = (root: Buffer, relative: Buffer): Buffer => Buffer.concat([root, slash, relative])

const isUtf8 = (name: Buffer): boolean => Buffer.from(name.toString()).equals(name)

/** A name as text: bytes that are no UTF-8 become `\xff`. */
const readable = (name: Buffer): string =>
  isUtf8(name)
    ? name.toString()
    : Array.from(name, (byte) =>
        byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`
      ).join("")

const toFile = (relative: Buffer): File =>
  isUtf8(relative) ? { path: relative.toString() } : { path: readable(relative), raw: relative.toString("base64") }

/** What opens a listed file. */
const locate = (folder: string, file: File): Buffer =>
  absolute(
    Buffer.from(path.resolve(folder)),
    file.raw === undefined ? Buffer.from(file.path) : Buffer.from(file.raw, "base64")
  )

/** The most bytes that are in memory of one file. */
const pieceSize = 1_048_576

/** The bytes of a listed file, piece by piece; the next piece takes the place of the one before. */
export async function* pieces(folder: string, file: File, signal: AbortSignal): AsyncGenerator<Buffer> {
  const handle = await open(locate(folder, file))
  try {
    const { size } = await handle.stat()
    const buffer = Buffer.allocUnsafe(Math.min(size + 1, pieceSize))
    for (;;) {
      signal.throwIfAborted()
      const { bytesRead } = await handle.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

const reasons: Record<string, string> = {
  EACCES: "no permission to read it",
  EPERM: "no permission to read it",
  ENOENT: "it is gone, or was never there",
  ENOTDIR: "it is not a folder",
  EISDIR: "it is a folder",
  ENAMETOOLONG: "its path is too long",
  EMFILE: "too many files are open",
  EIO: "the disk fails to read it"
}

/** Why the system refuses, in words. */
export const reasonOf = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  return reasons[code] ?? (error instanceof Error ? error.message : String(error))
}
