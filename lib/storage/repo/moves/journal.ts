/**
 * The file `moves`: several refs, HEAD and staging that change together.
 *
 * A command that changes more than one of them first writes their new values here, and then changes
 * them one after another. Once the file exists, the changes count as made: if the command is
 * killed, the next process that opens the repository or takes the lock carries them out.
 * @see docs/format/refs.md
 */
import { type Id, isId } from '../../../base/bytes/hash.js';
import { linesOf } from '../../../base/bytes/lines.js';
import { sealReadable, unseal } from '../../../base/bytes/sealed.js';
import { CorruptError, DlvError, FormatVersionError } from '../../../base/errors.js';
import { isMissing, readSmallFile, writeFileAtomic } from '../../../base/files/files.js';
import { MOVES_BYTES_MAX } from '../../../base/limits.js';
import type { Layout } from '../layout.js';
import type { RepositoryLock } from '../processes/lock.js';
import { FATES, type GoneVersion } from '../refs/gone.js';
import { formatHead, type Head, parseHead } from '../refs/head.js';
import { parseRefName } from '../refs/ref-name.js';
import type { MoveReason } from '../refs/reflog.js';

/** A ref that is made (`before` null), moved, or deleted (`after` null). */
export interface RefMove {
  name: string;
  before: Id | null;
  after: Id | null;
  /** Why this ref moves, where the reason is not that of all moves. */
  reason?: string;
}

/** What changes together. */
export interface Moves extends MoveReason {
  refs: RefMove[];
  /** What HEAD says then and the versions that it names before and then; null: no line in its reflog. */
  head: { to: Head; before: Id | null; after: Id | null } | null;
  /** Staging becomes what is in `moves-staging`. */
  staging: boolean;
  /** Notes about versions that have new ids. */
  notes: { version: Id; ids: Id[] }[];
  /** Versions that have new ids, or none. */
  gone: GoneVersion[];
}

const FORMAT = 1;

/** Text of the file before its checksum line: who moves and why, then one line for each thing. */
export function formatMoves(moves: Moves): string {
  const { who, time, reason, refs, head, staging, notes, gone } = moves;
  const lines = [
    { format: FORMAT, who, time, reason, staging },
    ...refs.map((ref) => ({ ref })),
    ...(head === null ? [] : [{ head: { ...head, to: formatHead(head.to) } }]),
    ...notes.map((note) => ({ notes: note })),
    ...gone.map((version) => ({ gone: version })),
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

function damaged(file: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: its list of moves cannot be read`, {
    file,
    hint: "run 'dlv fsck --rebuild'",
  });
}

/** Reads members of a line of JSON, each with its check. */
class Members {
  readonly #row: Record<string, unknown>;
  readonly #file: string;

  constructor(value: unknown, file: string) {
    if (typeof value !== 'object' || value === null) throw damaged(file);
    this.#row = value as Record<string, unknown>;
    this.#file = file;
  }

  has(name: string): boolean {
    return this.#row[name] !== undefined;
  }

  below(name: string): Members {
    return new Members(this.#row[name], this.#file);
  }

  text(name: string): string {
    const value = this.#row[name];
    if (typeof value !== 'string') throw damaged(this.#file);
    return value;
  }

  time(name: string): number {
    const value = this.#row[name];
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw damaged(this.#file);
    return value as number;
  }

  id(name: string): Id {
    const value = this.#row[name];
    if (typeof value !== 'string' || !isId(value)) throw damaged(this.#file);
    return value;
  }

  idOrNull(name: string): Id | null {
    return this.#row[name] === null ? null : this.id(name);
  }

  ids(name: string): Id[] {
    const value: unknown = this.#row[name];
    if (!Array.isArray(value)) throw damaged(this.#file);
    return value.map((id: unknown) => {
      if (typeof id !== 'string' || !isId(id)) throw damaged(this.#file);
      return id;
    });
  }
}

/** The mirror of formatMoves. @throws {CorruptError} {FormatVersionError} */
export function parseMoves(text: string, file: string): Moves {
  const [first, ...rest] = linesOf(text, '{"ref":{}}'.length) ?? [];
  if (first === undefined) throw damaged(file);
  try {
    const settings = JSON.parse(first) as Record<string, unknown>;
    const top = new Members(settings, file);
    if (top.time('format') !== FORMAT) {
      throw new FormatVersionError(`'${file}' has the form ${settings.format}`, {
        file,
        hint: 'a newer dlv wrote it: upgrade dlv',
      });
    }
    const moves: Moves = {
      who: top.text('who'),
      time: top.time('time'),
      reason: top.text('reason'),
      staging: settings.staging === true,
      refs: [],
      head: null,
      notes: [],
      gone: [],
    };
    for (const line of rest) addLine(moves, new Members(JSON.parse(line), file), file);
    return moves;
  } catch (error) {
    throw error instanceof DlvError ? error : damaged(file);
  }
}

function addLine(moves: Moves, row: Members, file: string): void {
  if (row.has('ref')) {
    const ref = row.below('ref');
    const name = ref.text('name');
    const kind = parseRefName(name)?.kind;
    if (kind === undefined || kind === 'notes') throw damaged(file);
    const ends = { before: ref.idOrNull('before'), after: ref.idOrNull('after') };
    const reason = ref.has('reason') ? { reason: ref.text('reason') } : {};
    moves.refs.push({ name, ...ends, ...reason });
  } else if (row.has('head')) {
    const head = row.below('head');
    const ends = { before: head.idOrNull('before'), after: head.idOrNull('after') };
    moves.head = { to: parseHead(head.text('to'), file), ...ends };
  } else if (row.has('notes')) {
    const notes = row.below('notes');
    moves.notes.push({ version: notes.id('version'), ids: notes.ids('ids') });
  } else {
    const gone = row.below('gone');
    const fate = FATES.find((known) => known === gone.text('fate'));
    if (fate === undefined) throw damaged(file);
    moves.gone.push({
      id: gone.id('id'),
      becomes: gone.idOrNull('becomes'),
      fate,
      name: gone.text('name'),
      who: gone.text('who'),
      time: gone.time('time'),
      reason: gone.text('reason'),
    });
  }
}

/** Moves that a command began and did not end; null if there are none. @throws {CorruptError} */
export async function readMoves(layout: Layout): Promise<Moves | null> {
  const file = layout.moves;
  try {
    return parseMoves(unseal(await readSmallFile(file, MOVES_BYTES_MAX), file), file);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Writes the file: from here on the moves are made. */
export async function writeMoves(lock: RepositoryLock, moves: Moves): Promise<void> {
  lock.assertHeld();
  const file = lock.layout.moves;
  await writeFileAtomic(file, sealReadable(formatMoves(moves), file, parseMoves));
}
