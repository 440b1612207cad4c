/**
 * The file `remote` and the lists that it names, as text: what a remote holds. Pure.
 *
 * @see docs/format/remote.md
 */
import { type Id, isId, sha256Hex } from '../../../base/bytes/hash.js';
import { linesOf } from '../../../base/bytes/lines.js';
import { seal, unseal } from '../../../base/bytes/sealed.js';
import { CorruptError, FormatVersionError, isDamage } from '../../../base/errors.js';
import { REMOTE_LIST_BYTES_MAX, REMOTE_LISTS_MAX } from '../../../base/limits.js';
import { formatNumbers, type NumberMarks, parseNumbers } from '../../repo/numbers.js';
import { parseRefName } from '../../repo/refs/ref-name.js';
import { parseBranchTitle } from '../../repo/remotes.js';
import { FILE_CLASSES, isSetId, type SetInfo } from '../../store/types.js';

/** A line of the list of what a remote holds. */
export type ListLine = { kind: 'set'; info: SetInfo } | { kind: 'note'; version: Id; note: Id };

/** An older part of the list. */
export interface ListPart {
  /** sha256 of its bytes, 64 hex digits: its name. */
  sha256: string;
  lines: number;
  bytes: number;
}

/** What collections of a remote have left to do. */
export interface Collection {
  /** Generation in which files were last chosen to be removed; 0: never. */
  collected: number;
  /** Parts of the list of files that nothing names any more. */
  garbage: ListPart[];
  /** Parts of the list of files that are being removed. */
  removing: ListPart[];
}

/** What the file `remote` says. */
export interface RemoteState {
  generation: number;
  /** 32 hex digits that no other writer has. */
  writer: string;
  /** The branch that a clone checks out. */
  head: { model: string; branch: string } | null;
  numbers: NumberMarks;
  /** Branches and tags: full name → version. */
  refs: Map<string, Id>;
  lists: ListPart[];
  /** Null if the remote was never collected. */
  collection: Collection | null;
  lines: ListLine[];
}

const FORM = 'dlv remote 1';
/** Who pushes must know what a collection is. */
const COLLECTED_FORM = 'dlv remote 2';
const LIST_FORM = 'dlv list 1';
/** The shortest line: `generation 1`. */
const LEAST_CHARS = 12;
const SIZE_MAX = 2 ** 48;

function formatLine(line: ListLine): string {
  if (line.kind === 'note') return `note ${line.version} ${line.note}`;
  const { id, bytes } = line.info;
  return `set ${id} ${FILE_CLASSES.map((name) => bytes[name]).join(' ')}`;
}

/** The number that a text is in its one form; NaN for others. */
function whole(text: string | undefined, max = SIZE_MAX): number {
  const value = /^(0|[1-9]\d{0,15})$/.test(text ?? '') ? Number(text) : Number.NaN;
  return value <= max ? value : Number.NaN;
}

/** Null if it is no such line. */
function parseLine(text: string): ListLine | null {
  const [word, first = '', ...rest] = text.split(' ');
  if (word === 'note') {
    const [note = ''] = rest;
    return isId(first) && isId(note) ? { kind: 'note', version: first, note } : null;
  }
  const [blob, hi, mid, low, idx] = rest.map((size) => whole(size)) as number[];
  if (word !== 'set' || !isSetId(first) || idx === undefined) return null;
  const bytes = { blob, hi, mid, low, idx } as SetInfo['bytes'];
  const isSound = Object.values(bytes).every((size) => !Number.isNaN(size));
  return isSound ? { kind: 'set', info: { id: first, bytes } } : null;
}

/** Bytes of an older part of the list. */
export function encodeList(lines: readonly ListLine[]): Uint8Array {
  return seal(`${[LIST_FORM, ...lines.map(formatLine)].join('\n')}\n`);
}

/** The folder of parts of lists, at a remote. */
export const LISTS_DIR = 'lists';

/** The name of a part of a list. */
export function listName(sha256: string): string {
  return `${LISTS_DIR}/${sha256}`;
}

/** The mirror of encodeList. @throws {CorruptError} unless its bytes give its name. */
export function decodeList(bytes: Uint8Array, part: ListPart, file: string): ListLine[] {
  if (sha256Hex(bytes) !== part.sha256) throw damaged(file, 'its bytes do not give its name');
  const [first, ...texts] = linesOf(text(bytes, file), LEAST_CHARS) ?? [];
  const lines = texts.map(parseLine);
  if (first !== LIST_FORM || lines.length !== part.lines || lines.includes(null)) {
    throw damaged(file, 'its lines cannot be read');
  }
  return lines as ListLine[];
}

/** Bytes of the file `remote`. */
export function encodeRemote(state: RemoteState): Uint8Array {
  const { head, collection } = state;
  const refs = [...state.refs].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = [
    collection === null ? FORM : COLLECTED_FORM,
    `generation ${state.generation}`,
    `writer ${state.writer}`,
    ...(head === null ? [] : [`head ${head.model}/${head.branch}`]),
    ...numberLines(state.numbers),
    ...refs.map(([name, id]) => `ref ${id} ${name}`),
    ...state.lists.map((part) => partLine('list', part)),
    ...(collection === null ? [] : [`collected ${collection.collected}`]),
    ...(collection?.garbage ?? []).map((part) => partLine('garbage', part)),
    ...(collection?.removing ?? []).map((part) => partLine('removing', part)),
    ...state.lines.map(formatLine),
  ];
  return seal(`${lines.join('\n')}\n`);
}

function partLine(word: string, { sha256, lines, bytes }: ListPart): string {
  return `${word} ${sha256} ${lines} ${bytes}`;
}

function numberLines(numbers: NumberMarks): string[] {
  const lines = formatNumbers(numbers).split('\n').slice(1, -1);
  return lines.map((line) => `number ${line}`);
}

/** The mirror of encodeRemote. @throws {CorruptError} {FormatVersionError} */
export function decodeRemote(bytes: Uint8Array, file: string): RemoteState {
  const [first = '', generation = '', writer = '', ...rest] =
    linesOf(text(bytes, file), LEAST_CHARS) ?? [];
  const isKnown = first === FORM || first === COLLECTED_FORM;
  if (!isKnown && /^dlv remote \d+$/.test(first)) {
    throw new FormatVersionError(`'${file}' has the form '${first}', which this dlv cannot read`, {
      file,
      hint: 'a newer dlv wrote it: upgrade dlv',
    });
  }
  const state: RemoteState = {
    generation: whole(/^generation (\d+)$/.exec(generation)?.[1]),
    writer: /^writer ([0-9a-f]{32})$/.exec(writer)?.[1] ?? '',
    head: null,
    numbers: new Map(),
    refs: new Map(),
    lists: [],
    collection: first === FORM ? null : { collected: Number.NaN, garbage: [], removing: [] },
    lines: [],
  };
  const numbers: string[] = [];
  for (const line of rest) addLine(state, numbers, line);
  state.numbers = readNumberLines(numbers, file);
  if (Buffer.compare(encodeRemote(state), bytes) !== 0) {
    throw damaged(file, 'its lines cannot be read');
  }
  checkRefNames(state.refs, file);
  return state;
}

/** Adds what a line says; one that says nothing sound is missed when the state is encoded again. */
function addLine(state: RemoteState, numbers: string[], line: string): void {
  const at = line.indexOf(' ');
  const [word, tail] = [line.slice(0, at), line.slice(at + 1)];
  if (word === 'head') state.head = parseBranchTitle(tail);
  else if (word === 'number') numbers.push(tail);
  else if (word === 'ref') {
    const [id = '', name = ''] = [tail.slice(0, 64), tail.slice(65)];
    const kind = parseRefName(name)?.kind;
    if (isId(id) && (kind === 'head' || kind === 'tag')) state.refs.set(name, id);
  } else if (word === 'collected') {
    if (state.collection !== null) state.collection.collected = whole(tail);
  } else if (word === 'list' || word === 'garbage' || word === 'removing') {
    const [sha256 = '', lines, bytes] = tail.split(' ');
    const part = { sha256, lines: whole(lines), bytes: whole(bytes, REMOTE_LIST_BYTES_MAX) };
    const parts = word === 'list' ? state.lists : state.collection?.[word];
    if (isId(sha256) && parts && parts.length < REMOTE_LISTS_MAX) parts.push(part);
  } else {
    const entry = parseLine(line);
    if (entry !== null) state.lines.push(entry);
  }
}

function readNumberLines(lines: readonly string[], file: string): NumberMarks {
  try {
    return parseNumbers(['numbers 1', ...lines, ''].join('\n'), file);
  } catch (error) {
    throw isDamage(error) ? damaged(file, 'the numbers of its models cannot be read') : error;
  }
}

/** A ref and the folder of others are one name in a repository. @throws {CorruptError} */
function checkRefNames(refs: ReadonlyMap<string, Id>, file: string): void {
  for (const name of refs.keys()) {
    const parts = name.split('/');
    for (let i = 3; i < parts.length; i++) {
      const above = parts.slice(0, i).join('/');
      if (refs.has(above)) throw damaged(file, `it has both '${above}' and '${name}'`);
    }
  }
}

function text(bytes: Uint8Array, file: string): string {
  try {
    return unseal(bytes, file);
  } catch (error) {
    throw isDamage(error) ? damaged(file, 'its checksum does not match its content') : error;
  }
}

function damaged(file: string, what: string): CorruptError {
  return new CorruptError(`'${file}' of the remote is damaged: ${what}`, {
    file,
    hint: 'nothing was taken from it; put it back from a backup, or push to a new address',
  });
}
