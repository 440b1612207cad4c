/**
 * Lines of text that may be hostile: a file of line feeds must not become an array of a hundred million
 * empty strings.
 */

/**
 * The lines of a text, without their line feeds, the last one's included.
 * @param leastChars  the shortest that a line can be.
 * @returns  null if the text has more lines than its length allows.
 */
export function linesOf(text: string, leastChars: number): string[] | null {
  const most = Math.ceil(text.length / (leastChars + 1)) + 1;
  // One piece more than allowed is enough to see that there are too many.
  const pieces = text.split('\n', most + 1);
  return pieces.length > most ? null : pieces.slice(0, -1);
}

const LINE_FEED = 0x0a;

/** The lines of a text one after another; what follows the last line feed counts as a line. */
export function* eachLine(bytes: Uint8Array): Generator<string> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf(LINE_FEED, at);
    const end = found < 0 ? text.length : found;
    yield text.toString('utf8', at, end);
    at = end + 1;
  }
}

/** A line and its number in the text, from 1. */
interface NumberedLine {
  number: number;
  line: string;
}

/** As `eachLine`; of empty lines that follow one another, the first stands for all. */
export function* filledLines(bytes: Uint8Array): Generator<NumberedLine> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0, number = 1; at < text.length; number++) {
    const found = text.indexOf(LINE_FEED, at);
    const end = found < 0 ? text.length : found;
    yield { number, line: text.toString('utf8', at, end) };
    const isEmpty = end === at;
    at = end + 1;
    for (; isEmpty && text[at] === LINE_FEED; at++) number++;
  }
}
