/**
 * The numbers file: the highest number that each model has given to a version, so that no number is
 * given twice, even if its version is gone. The numbers only grow, under the lock, and are on the
 * disk before a version with the number is made. @see docs/format/numbers.md
 */
import { linesOf } from '../../base/bytes/lines.js';
import { sealReadable, unseal } from '../../base/bytes/sealed.js';
import { CorruptError, FormatVersionError } from '../../base/errors.js';
import { isMissing, readSmallFile, writeFileAtomic } from '../../base/files/files.js';
import { MANIFEST_BYTES_MAX } from '../../base/limits.js';
import { NUMBERS_FLAG, readFormat } from './format.js';
import type { Layout } from './layout.js';
import type { RepositoryLock } from './processes/lock.js';
import { modelNameProblem } from './refs/ref-name.js';
import { isVersionNumber } from './version/version.js';

/** What is known of the numbers of one model. */
export interface NumberMark {
  /** The highest that was given. */
  highest: number;
  /** The highest that more than one version here may have; 0 if there is none. */
  shared: number;
}

/** Marks by model. */
export type NumberMarks = Map<string, NumberMark>;

const FIRST_LINE = 'numbers 1';
const LINE = /^(\d{1,9}) (\d{1,9}) (.+)$/s;
/** Two digits, two spaces, a name of one character. */
const LINE_CHARS_MIN = 5;

/** Text of the file before its checksum line. */
export function formatNumbers(marks: NumberMarks): string {
  const rows = [...marks].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = rows.map(([model, { highest, shared }]) => `${highest} ${shared} ${model}`);
  return `${[FIRST_LINE, ...lines].join('\n')}\n`;
}

/** The mirror of formatNumbers. @throws {CorruptError} {FormatVersionError} */
export function parseNumbers(text: string, file: string): NumberMarks {
  const [first, ...lines] = linesOf(text, LINE_CHARS_MIN) ?? [];
  if (first !== FIRST_LINE && /^numbers \d+$/.test(first ?? '')) {
    throw new FormatVersionError(`'${file}' has the form '${first}', this dlv reads 1`, {
      file,
      hint: 'a newer dlv wrote it: upgrade dlv',
    });
  }
  const marks: NumberMarks = new Map();
  for (const line of lines) {
    const [, highest, shared, model = ''] = LINE.exec(line) ?? [];
    marks.set(model, { highest: Number(highest), shared: Number(shared) });
  }
  const isSound = [...marks].every(
    ([model, { highest, shared }]) =>
      modelNameProblem(model) === null && isVersionNumber(highest) && shared <= highest,
  );
  if (!isSound || formatNumbers(marks) !== text) {
    throw new CorruptError(`'${file}' is damaged: the numbers of models cannot be read from it`, {
      file,
      hint: "run 'dlv fsck --rebuild'",
    });
  }
  return marks;
}

/**
 * The marks of all models; null before the first number was given.
 * @throws {CorruptError} if they are damaged, or lost: which numbers were given is not known then.
 */
export async function readNumbers(layout: Layout): Promise<NumberMarks | null> {
  const file = layout.numbers;
  try {
    return parseNumbers(unseal(await readSmallFile(file, MANIFEST_BYTES_MAX), file), file);
  } catch (error) {
    if (!isMissing(error)) throw error;
    if (!(await readFormat(layout)).writeRequired.includes(NUMBERS_FLAG)) return null;
    throw new CorruptError(`'${file}' is missing`, {
      file,
      errno: 'ENOENT',
      hint: "run 'dlv fsck --rebuild': it counts the numbers of all versions that are here",
    });
  }
}

/** Replaces the file; it is on the disk when this returns. */
export async function writeNumbers(lock: RepositoryLock, marks: NumberMarks): Promise<void> {
  lock.assertHeld();
  const file = lock.layout.numbers;
  await writeFileAtomic(file, sealReadable(formatNumbers(marks), file, parseNumbers));
}

/** Sees to it that a number of a model is not given again. */
export function raiseMark(marks: NumberMarks, model: string, number: number): void {
  const mark = marks.get(model) ?? { highest: 0, shared: 0 };
  marks.set(model, { ...mark, highest: Math.max(mark.highest, number) });
}

/** The marks that a list of versions makes: the highest numbers, and those that two versions have. */
export function marksOf(versions: Iterable<{ model: string; number: number }>): NumberMarks {
  const marks: NumberMarks = new Map();
  const seen = new Set<string>();
  for (const { model, number } of versions) {
    raiseMark(marks, model, number);
    const mark = marks.get(model) as NumberMark;
    const key = `${number} ${model}`;
    if (seen.has(key)) mark.shared = Math.max(mark.shared, number);
    seen.add(key);
  }
  return marks;
}
