/** Text files that differ, line by line: configurations, cards, vocabularies. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { isUnreadable } from '../../base/errors.js';
import type { FileDiff } from '../history/diff/files.js';
import type { DiffFile, DiffSide } from '../history/diff/sides.js';
import { diffLines, linesOf } from './line-diff.js';
import type { TextDiff } from './result.js';

/** Larger files are data, whatever they hold. */
const TEXT_BYTES_MAX = 1024 * 1024;
/** Lines that differ and are kept of each file, and files whose lines are. */
const LINES_MAX = 400;
const FILES_MAX = 200;
/** A line of JSON that is longer is looked at with line breaks in it. */
const LINE_MAX = 200;

/** Lines of the text files that differ, among those that do. */
export async function compareTexts(
  before: DiffSide,
  after: DiffSide,
  files: readonly FileDiff[],
  signal?: AbortSignal,
): Promise<TextDiff[]> {
  const left = byPath(before);
  const right = byPath(after);
  const texts: TextDiff[] = [];
  for (const { path, pathBefore, status, became } of files) {
    throwIfAborted(signal);
    if (texts.length >= FILES_MAX) break;
    if (became !== undefined) continue;
    const [a, b] = [left.get(pathBefore ?? path), right.get(path)];
    if (a?.sha256 === b?.sha256) continue;
    const from = status === 'added' ? '' : await textOf(a);
    const to = status === 'removed' ? '' : await textOf(b);
    if (from === null || to === null) continue;
    const [x, y] = [readable(path, from), readable(path, to)];
    const reformatted = x !== from || y !== to;
    const diff = diffLines(linesOf(x), linesOf(y), LINES_MAX);
    if (diff.added + diff.removed === 0) continue;
    const moved = pathBefore === undefined ? {} : { pathBefore };
    texts.push({ path, ...moved, ...diff, reformatted });
  }
  return texts;
}

function byPath(side: DiffSide): Map<string, DiffFile> {
  return new Map([...side.files.values()].map((file) => [file.path, file]));
}

/** The text of a file; null if it is none, or cannot be read. */
async function textOf(file: DiffFile | undefined): Promise<string | null> {
  if (file === undefined || file.size === null || file.size > TEXT_BYTES_MAX) return null;
  try {
    if ((await file.tensors()).length > 0) return null;
    const bytes = await file.content();
    if (bytes.includes(0)) return null;
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError || isUnreadable(error)) return null;
    throw error;
  }
}

/** JSON on long lines, with line breaks; any other text as it is. */
function readable(path: string, text: string): string {
  if (!path.endsWith('.json') || !linesOf(text).some((line) => line.length > LINE_MAX)) return text;
  try {
    return `${JSON.stringify(JSON.parse(text), null, 2)}\n`;
  } catch {
    return text;
  }
}
