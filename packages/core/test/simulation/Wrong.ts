/** What a simulation finds wrong. */
export class Wrong extends Error {}

export const wrong = (what: string): never => {
  throw new Wrong(what)
}
