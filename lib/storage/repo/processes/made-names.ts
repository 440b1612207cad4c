/**
 * The names that dlv itself makes in the folders below .dlv: of unfinished work, arriving files, copies kept
 * aside and readers. What has another name there is somebody else's, and dlv does not delete it.
 */
import { newOwnName, parseOwnName } from '../../../base/files/process.js';
import { TMP_DIR } from '../../store/names.js';

/** What works under tmp/: the kinds of its folders (calibration: of a file). */
const WORK_KINDS = [
  'add',
  'files',
  'archive',
  'gc',
  'rebuild',
  'calibration',
  'tier',
  'fetch',
  'push',
  'merge',
  'import',
  'construct',
  'marker',
  'loaded',
] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

/** Folder of this process under tmp/, in this and all other repositories. */
let ownFolder: string | null = null;
let workNumber = 0;

/** Name of the folders of this process. */
export function ownFolderName(): string {
  ownFolder ??= newOwnName();
  return ownFolder;
}

/** True if a name was asked for: only then can anything be there. */
export function hasOwnFolder(): boolean {
  return ownFolder !== null;
}

/** Folder of this process under tmp/, relative to .dlv. */
export function ownTmpName(): string {
  return `${TMP_DIR}/${ownFolderName()}`;
}

/** A name under tmp/ that nothing else has, relative to .dlv, for unfinished work of this process. */
export function newWorkName(kind: WorkKind): string {
  return `${ownTmpName()}/${kind}-${workNumber++}`;
}

/** Folder of files that are arriving from a remote, below it one for each process that fetches. */
export const INCOMING_DIR = 'incoming';

/** A name for a file that is arriving for this process, relative to .dlv. @param file  of the file alone. */
export function incomingName(file: string): string {
  return `${INCOMING_DIR}/${ownFolderName()}/${file}`;
}

/** True if dlv makes such a name in a folder of incoming/. */
export function isIncomingName(name: string): boolean {
  return /^[0-9a-f]{32}\.(blob|hi|mid|low|idx)(\.have)?$/.test(name);
}

/** Names below a folder of a process under tmp/, those of earlier versions among them. */
const WORK_NAME = new RegExp(
  `^(\\d+|(${[...WORK_KINDS, 'salvage', 'front'].join('|')})(-[0-9a-f]+)+)$`,
);
const WORK_FILE = /^(\d+|set\.(blob|hi|mid|low|idx)|HEAD|objects|refs)$/;

/** True if dlv makes such a name under tmp/<process>/: at depth 1 work, at depth 2 its files. */
export function isWorkName(name: string, depth: number): boolean {
  return depth === 1 ? WORK_NAME.test(name) : depth === 2 && WORK_FILE.test(name);
}

/** Files of a run. */
export type RunFile =
  | 'run.json'
  | 'metrics.jsonl'
  | 'output.log'
  | 'changes.diff'
  | 'packages.txt'
  | 'held';

/** True for the id of a run, which is the name of its folder. */
export function isRunId(text: string): boolean {
  return /^[0-9a-f]{10}$/.test(text);
}

/** True if dlv makes such a name in trash/: a file of a pack set, or a copy kept aside. */
export function isTrashName(name: string): boolean {
  return /^[0-9a-f]{32}\.(blob|hi|mid|low|idx)$|^\d{13}-(\d+-\d+|[0-9a-f]{16})-.+$/s.test(name);
}

/** True if dlv makes such a name in readers/. */
export function isReaderName(name: string): boolean {
  return parseOwnName(name) !== null || /^\d+-\d+$/.test(name);
}

/** True if a name beside `lock` is that of a lock which a taker of a dead one holds. */
export function isBreakLockName(name: string): boolean {
  return /^lock(\.[0-9a-f]{16})+$/.test(name);
}
