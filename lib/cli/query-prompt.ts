/**
 * The prompt of `dlv query`: statements one after the other, with those that were asked before and words that
 * complete. A statement ends where it is whole; an empty line ends one that is not, and says what is missing.
 */
import readline from 'node:readline';
import { complete, type QueryWords } from '../pure/dql/complete.js';

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
