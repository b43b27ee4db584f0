/** A text as one word of a command that people copy into their shell: quoted where it has to be. */
export const of = (text: string): string =>
  /^[\w.,:@%+=/-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
