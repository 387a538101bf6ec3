/** A command as one line that a shell takes apart into the same words again. */

export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(" ")
}

function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
