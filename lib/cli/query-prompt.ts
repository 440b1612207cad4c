/**
 * The prompt of `dlv query`: statements one after the other, with those that were asked before and words that
 * complete. A statement ends where it is whole; an empty line ends one that is not, and says what is missing.
 */
import readline from 'node:readline';
import type { QueryWords } from '../use/ops/query-prompt.js';

export interface Prompt {
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
  /** Asked before, the newest last. */
  history: readonly string[];
  words: () => QueryWords;
  /** True for the beginning of a statement. */
  isUnfinished: (text: string) => boolean;
  /** Carries a statement out and shows what it gives. */
  carryOut: (text: string) => Promise<void>;
  /** Shows what can be asked. */
  help: () => void;
  /** Shows an error. */
  report: (error: unknown) => void;
}

const FIRST = 'dlv> ';
const MORE = '   > ';

/** Asks until the input ends, or somebody says exit. */
export async function runPrompt(prompt: Prompt): Promise<void> {
  const lines = readline.createInterface({
    input: prompt.input,
    output: prompt.output,
    history: prompt.history.toReversed(),
    historySize: 500,
    removeHistoryDuplicates: true,
    prompt: FIRST,
    completer: (line: string) => complete(line, prompt.words()),
  });
  // Ctrl-C gives up the line, as in a shell; at an empty one it ends.
  let text = '';
  lines.on('SIGINT', () => {
    if (text === '' && lines.line === '') lines.close();
    else {
      text = '';
      lines.write(null, { ctrl: true, name: 'u' });
      lines.setPrompt(FIRST);
      prompt.output.write('\n');
      lines.prompt();
    }
  });
  lines.prompt();
  for await (const line of lines) {
    const isEmpty = line.trim() === '';
    text = text === '' ? line : `${text}\n${line}`;
    if (/^\s*(exit|quit|\\q)\s*;?\s*$/i.test(text)) break;
    if (/^\s*(help|\?)\s*;?\s*$/i.test(text)) {
      prompt.help();
      text = '';
    } else if (text.trim() !== '' && (isEmpty || !prompt.isUnfinished(text))) {
      const asked = text;
      text = '';
      lines.pause();
      await prompt.carryOut(asked).catch(prompt.report);
      lines.resume();
    }
    if (text.trim() === '') text = '';
    lines.setPrompt(text === '' ? FIRST : MORE);
    lines.prompt();
  }
  lines.close();
}

/** Most words that are offered. */
const OFFERED_MAX = 60;

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
  return [starting(words, part), part];
}

function starting(all: readonly string[], part: string): string[] {
  const wanted = part.toLowerCase();
  return all.filter((one) => one.toLowerCase().startsWith(wanted)).slice(0, OFFERED_MAX);
}
