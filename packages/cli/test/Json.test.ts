import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as Json from "@arpeggio/cli/Json"

const failureOf = (text: string) => {
  const result = Json.parse(text)
  return Result.isFailure(result) ? Json.format(result.failure) : result
}

describe("Json", () => {
  it.each([
    ["", "line 1, column 1: the text is empty"],
    ["{", "line 1, column 2: Expected property name or '}'"],
    ['{"a":\n  1,}', "line 2, column 5: Expected double-quoted property name"],
    ["[1,\n2\n,,]", "line 3, column 2: Unexpected token ','"],
    ["nope", "line 1, column 2: Unexpected token 'o'"],
    ['{"long": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "b": tru, "c": 3}', "line 1, column 52: Unexpected token ','"],
    ['"abc', "line 1, column 5: Unterminated string"],
    ["1 2", "line 1, column 3: Unexpected non-whitespace character after JSON"]
  ])("says where %j stops being JSON", (text, message) => {
    expect(failureOf(text)).toBe(message)
  })

  it("reads a text that begins with a byte order mark", () => {
    expect(Json.parse('\uFEFF{"a":1}')).toEqual(Result.succeed({ a: 1 }))
  })

  it("writes paths as people do", () => {
    expect(Json.formatPath(["tasks", 3, "parents", 0, "odd name", "ok"])).toBe('tasks[3].parents[0]["odd name"].ok')
  })
})
