/**
 * Every path under .dlv is built here and nowhere else.
 *
 * Owns the names of files and folders, and how a repository is found from a folder inside its work
 * tree. Reads and writes no content. @see docs/format/layout.md
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { type Id, sha256Hex } from '../../base/bytes/hash.js';
import { listDirectory, statOrNull } from '../../base/files/files.js';
import { guardBelow } from '../../base/files/gate.js';
import { newOwnName, parseOwnName } from '../../base/files/process.js';
import { MANIFEST_NAME, PACKS_DIR, packName, TMP_DIR, TRASH_DIR } from '../store/names.js';
import type { FileClass, SetId } from '../store/types.js';

/** Name of the folder that makes a folder a work tree. */
export const REPOSITORY_DIR = '.dlv';
/** Content of .dlv/.gitignore: git sees nothing of the repository. */
export const SELF_IGNORE = '*\n';

/** Name of the folder that makes the folder that it is in a repository to git. */
export const GIT_MARKER = '.git';

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

function ownTmpName(): string {
  ownFolder ??= newOwnName();
  return `${TMP_DIR}/${ownFolder}`;
}

/** A name under tmp/ that nothing else has, relative to .dlv, for unfinished work of this process. */
export function newWorkName(kind: WorkKind): string {
  return `${ownTmpName()}/${kind}-${workNumber++}`;
}

/** Folder of files that are arriving from a remote, below it one for each process that fetches. */
const INCOMING_DIR = 'incoming';

/** A name for a file that is arriving for this process, relative to .dlv. @param file  of the file alone. */
export function incomingName(file: string): string {
  ownFolder ??= newOwnName();
  return `${INCOMING_DIR}/${ownFolder}/${file}`;
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

/** The paths of one repository. All are absolute if `workTree` is. */
export class Layout {
  /** The folder that holds the versioned files. */
  readonly workTree: string;
  /** The .dlv folder. */
  readonly dir: string;

  constructor(workTree: string) {
    this.workTree = workTree;
    this.dir = path.join(workTree, REPOSITORY_DIR);
    guardBelow(this.dir);
  }

  #in(...parts: string[]): string {
    return path.join(this.dir, ...parts);
  }

  get gitignore(): string {
    return this.#in('.gitignore');
  }
  get format(): string {
    return this.#in('format');
  }
  get config(): string {
    return this.#in('config');
  }
  get head(): string {
    return this.#in('HEAD');
  }
  get refs(): string {
    return this.#in('refs');
  }
  get logs(): string {
    return this.#in('logs');
  }
  get staging(): string {
    return this.#in('staging');
  }
  /** Folder of what is staged for branches apart from where HEAD is. */
  get lines(): string {
    return this.#in('lines');
  }
  /** What is staged for one branch: its name may clash with that of another, a hash does not. */
  lineStaging(model: string, branch: string): string {
    return path.join(this.lines, sha256Hex(`${model}/${branch}`).slice(0, 32));
  }
  /** A file of that folder. @param name  of the file alone. */
  lineFile(name: string): string {
    return path.join(this.lines, name);
  }
  get manifest(): string {
    return this.#in(MANIFEST_NAME);
  }
  get packs(): string {
    return this.#in(PACKS_DIR);
  }
  get trash(): string {
    return this.#in(TRASH_DIR);
  }
  get tmp(): string {
    return this.#in(TMP_DIR);
  }
  get catalog(): string {
    return this.#in('catalog');
  }
  /** How fast this machine decodes, as measured. */
  get reads(): string {
    return path.join(this.catalog, 'reads');
  }
  /** Checksums of approximate copies that were written. */
  get approximations(): string {
    return path.join(this.catalog, 'approximate');
  }
  get calibration(): string {
    return path.join(this.catalog, 'calibration');
  }
  /** Folder of the sketches of pack sets; derived. */
  get sketches(): string {
    return this.#in('catalog', 'sketches');
  }
  /** Database of what lists need of versions; its form is in its name. */
  get versionRows(): string {
    return this.#in('catalog', 'versions-2');
  }
  /** Databases of earlier forms. */
  get olderVersionRows(): string[] {
    return [this.#in('catalog', 'versions-1')];
  }
  /** Folder of files and tensors of versions that programs read in place; derived. */
  get loaded(): string {
    return this.#in('catalog', 'loaded');
  }
  /** One of them. @param name  of the file alone. */
  loadedFile(name: string): string {
    return path.join(this.loaded, name);
  }
  /** Indexes of pack sets of remotes, and older parts of their lists; derived. */
  get remoteIndexes(): string {
    return path.join(this.catalog, 'remote-index');
  }
  /** A file of that folder. @param name  of the file alone. */
  remoteIndex(name: string): string {
    return path.join(this.remoteIndexes, name);
  }
  /** Addresses of remotes, and which branch follows which of theirs. */
  get remotes(): string {
    return this.#in('remotes');
  }
  /** Queries that are kept under names. */
  get queries(): string {
    return this.#in('queries');
  }
  /** Folder of studies that have not ended. */
  get studies(): string {
    return this.#in('studies');
  }
  /** Folder of one of them. @param id  of the study, hexadecimal. */
  study(id: string): string {
    return path.join(this.studies, id);
  }
  /** Folder of runs, those that go on and those that have ended. */
  get runs(): string {
    return this.#in('runs');
  }
  /** Folder of one of them. @param id  of the run. */
  run(id: string): string {
    return path.join(this.runs, id);
  }
  /** A file of a run. */
  runFile(id: string, name: RunFile): string {
    return path.join(this.run(id), name);
  }
  /** What a run holds until it is stored: a folder for each checkpoint. */
  heldCheckpoints(id: string): string {
    return path.join(this.run(id), 'held');
  }
  /** Files of a checkpoint that are held until they are stored. @param n  of the checkpoint. */
  heldCheckpoint(id: string, n: number): string {
    return path.join(this.heldCheckpoints(id), String(n));
  }
  /** Folder of what is arriving from remotes. */
  get incoming(): string {
    return this.#in(INCOMING_DIR);
  }
  /** What a process is fetching. @param owner  a name of its own. */
  incomingOf(owner: string): string {
    return path.join(this.incoming, owner);
  }
  /** The same of this process. */
  get ownIncoming(): string {
    ownFolder ??= newOwnName();
    return this.incomingOf(ownFolder);
  }
  /** A file that is arriving for this process. @param name  of the file alone. */
  ownIncomingFile(name: string): string {
    return path.join(this.ownIncoming, name);
  }
  get promised(): string {
    return this.#in('promised');
  }
  /** Refs that change together, while they do. */
  get moves(): string {
    return this.#in('moves');
  }
  /** What staging becomes then. */
  get movesStaging(): string {
    return this.#in('moves-staging');
  }
  get budgets(): string {
    return this.#in('budgets');
  }
  /** The highest number that each model gave. */
  get numbers(): string {
    return this.#in('numbers');
  }
  get lock(): string {
    return this.#in('lock');
  }
  get readers(): string {
    return this.#in('readers');
  }

  /** File of a ref. @param name a checked name, 'refs/heads/<model>/<branch>' and the like. */
  ref(name: string): string {
    return this.#in(...name.split('/'));
  }

  /** Reflog of a ref or of HEAD. @param name a checked ref name or 'HEAD'. */
  log(name: string): string {
    return path.join(this.logs, ...name.split('/'));
  }

  /** Anything in .dlv. @param name relative to it, with '/'. */
  file(name: string): string {
    return this.#in(...name.split('/'));
  }

  /** Name of a path in .dlv as messages and reports say it: relative, with '/'. */
  nameOf(file: string): string {
    return path.relative(this.dir, file).split(path.sep).join('/');
  }

  /** A file of a published pack set. */
  packFile(set: SetId, fileClass: FileClass): string {
    return this.file(packName(set, fileClass));
  }

  /** A file in trash. @param name of the file alone. */
  trashFile(name: string): string {
    return path.join(this.trash, name);
  }

  /** What lies in tmp/. @param name  of a process's folder alone. */
  tmpFile(name: string): string {
    return path.join(this.tmp, name);
  }

  /** A registration of a long reader. @param name  of the file alone. */
  readerFile(name: string): string {
    return path.join(this.readers, name);
  }

  /** Folder for the unfinished files of this process. */
  get ownTmp(): string {
    return this.file(ownTmpName());
  }

  /** A folder, not made yet, for unfinished work of this process. */
  newWork(kind: WorkKind): string {
    return this.file(newWorkName(kind));
  }

  /** A name in trash for a copy of a file. @param name the last part of its path. */
  newTrashName(name: string): string {
    return `${TRASH_DIR}/${Date.now()}-${randomBytes(8).toString('hex')}-${name}`;
  }

  /** Sketches of the extents of a pack set. @param set its id. */
  sketchesOf(set: string): string {
    return path.join(this.sketches, set);
  }

  /** Lists of what a remote is known to hold. @param remote a checked remote name. */
  promisedOf(remote: string): string {
    return path.join(this.promised, remote);
  }

  /** A new file for the registration of a long reader of this process. */
  newReader(): string {
    return path.join(this.readers, newOwnName());
  }

  /** A file of the work tree. @param file a checked path of a version. */
  workFile(file: string): string {
    return path.join(this.workTree, ...file.split('/'));
  }

  /** Folder of second names of state files that nothing else could give back. */
  get kept(): string {
    return this.#in('kept');
  }
  /** The second name of a file of .dlv. @param name  of the file alone. */
  keptFile(name: string): string {
    return path.join(this.kept, name);
  }

  /** Folders that make others repositories to git: of packs, of what names them, of reflogs, of state files. */
  gitMarkers(): string[] {
    return [this.packs, this.refs, this.logs, this.kept].map((dir) => path.join(dir, GIT_MARKER));
  }
  /** The same of folders that a repository need not have. */
  optionalGitMarkers(): string[] {
    return [this.promised, this.lines, this.runs].map((folder) => path.join(folder, GIT_MARKER));
  }

  /** The folders that a new repository has. */
  folders(): string[] {
    return [
      this.dir,
      path.join(this.refs, 'heads'),
      path.join(this.refs, 'tags'),
      path.join(this.refs, 'notes'),
      path.join(this.refs, 'remotes'),
      this.logs,
      this.packs,
      this.kept,
      this.trash,
      this.tmp,
      this.readers,
    ];
  }
}

/** Name of the ref that holds the notes of a version. */
export function notesRefName(version: Id): string {
  return `refs/notes/${version.slice(0, 2)}/${version}`;
}

/** Name of the ref of a branch. */
export function branchRefName(model: string, branch: string): string {
  return `refs/heads/${model}/${branch}`;
}

/** Name of the ref of stashed work. @param number  from 1, in the order of stashing. */
export function stashRefName(model: string, number: number): string {
  return `refs/stash/${model}/${number}`;
}

/** Name of the ref that says where a branch of a remote was seen. */
export function remoteRefName(remote: string, model: string, branch: string): string {
  return `refs/remotes/${remote}/${model}/${branch}`;
}

/** Name of the ref of a tag. */
export function tagRefName(tag: string): string {
  return `refs/tags/${tag}`;
}

/** True if a path, without links, is or lies in the data of a repository: of this one or any other. */
export function isRepositoryData(place: string): boolean {
  return place.split(path.sep).includes(REPOSITORY_DIR);
}

/** True if a folder is the work tree of a repository, perhaps of a damaged or dangerous one. */
export async function holdsRepository(folder: string): Promise<boolean> {
  const dir = path.join(folder, REPOSITORY_DIR);
  if ((await statOrNull(dir))?.isFile !== false) return false;
  // Any of them alone, whatever it is, means a repository, which its readers will judge.
  for (const file of ['format', 'HEAD', 'manifest']) {
    if ((await statOrNull(path.join(dir, file))) !== null) return true;
  }
  return holdsRemains(dir);
}

/** True if there are packs or kept state files in .dlv. Where 'git clean' was at work, all other files are gone. */
export async function holdsRemains(dir: string): Promise<boolean> {
  if ((await statOrNull(path.join(dir, 'kept', 'HEAD'))) !== null) return true;
  const packs = path.join(dir, PACKS_DIR);
  if ((await statOrNull(packs))?.isDirectory !== true) return false;
  return (await listDirectory(packs)).some((name) => /^[0-9a-f]{32}\.blob$/.test(name));
}

/** Finds the repository whose work tree holds `startDir`, walking up. @returns null if there is none. */
export async function findRepositoryOrNull(startDir: string): Promise<Layout | null> {
  let dir = path.resolve(startDir);
  for (;;) {
    if (await holdsRepository(dir)) return new Layout(dir);
    const parent = path.dirname(dir);
    if (parent === dir) return null;
    dir = parent;
  }
}
