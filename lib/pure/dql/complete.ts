/** What the end of a line of a query may become, at the prompt and on the page of `dlv ui`. */

/** Words that may stand at some places of a query. */
export interface QueryWords {
  /** Behind a variable and a dot: 'metrics.acc', 'params.lr', 'name'. */
  columns: string[];
  /** In quotes: models, queries that are kept. */
  texts: string[];
  /** Elsewhere. */
  words: string[];
}

/** Most words that are offered. */
const OFFERED_MAX = 60;

const STATEMENTS = ['select', 'slice', 'construct', 'evaluate', 'explain'];

/** Words that the end of a line may become, and the part of the line that they replace. */
export function complete(line: string, { columns, texts, words }: QueryWords): [string[], string] {
  const quoted = /["']([^"']*)$/.exec(line);
  const quotes = line.match(/["']/g)?.length ?? 0;
  if (quoted !== null && quotes % 2 === 1) {
    const part = quoted[1] as string;
    return [starting(texts, part), part];
  }
  const [, behind] = /[\p{L}\p{N}_\]]\.([\p{L}\p{N}_.]*)$/u.exec(line) ?? [];
  if (behind !== undefined) {
    // m["conv1"].next as well as m.metrics.acc
    const [, path = behind] =
      /[\p{L}_][\p{L}\p{N}_]*\.([\p{L}_][\p{L}\p{N}_.]*)$/u.exec(line) ?? [];
    return [starting(columns, path), path];
  }
  const [part = ''] = /[\p{L}_][\p{L}\p{N}_]*$/u.exec(line) ?? [];
  // A line begins with a statement, rather than with a layer that is called like it; or it goes on with another.
  const first = line.trim() === part && part !== '' ? starting(STATEMENTS, part) : [];
  if (first.length > 0) return [first, part];
  return [starting(words, part), part];
}

function starting(all: readonly string[], part: string): string[] {
  const wanted = part.toLowerCase();
  return all.filter((one) => one.toLowerCase().startsWith(wanted)).slice(0, OFFERED_MAX);
}
