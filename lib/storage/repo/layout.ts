/**
 * Every path under .dlv is built here and nowhere else.
 *
 * Owns the places of files and folders; processes/made-names.ts says which names dlv makes in them. Reads and
 * writes nothing. @see docs/format/layout.md
 */
import path from 'node:path';
import { sha256Hex } from '../../base/bytes/hash.js';
import { guardBelow } from '../../base/files/gate.js';
import { newOwnName, randomName } from '../../base/files/process.js';
import { MANIFEST_NAME, PACKS_DIR, packName, TMP_DIR, TRASH_DIR } from '../store/names.js';
import type { FileClass, SetId } from '../store/types.js';
import {
  INCOMING_DIR,
  newWorkName,
  ownFolderName,
  ownTmpName,
  type RunFile,
  type WorkKind,
} from './processes/made-names.js';

/** Name of the folder that makes a folder a work tree. */
export const REPOSITORY_DIR = '.dlv';
/** Content of .dlv/.gitignore: git sees nothing of the repository. */
export const SELF_IGNORE = '*\n';

/** Name of the folder that makes the folder that it is in a repository to git. */
export const GIT_MARKER = '.git';

/** Parts that are resolved when a path is joined: none, '.' and '..'. */
const ODD_PARTS = /(?:^|\/)\.{0,2}(?:\/|$)/;

/** The paths of one repository. All are absolute if `workTree` is. */
export class Layout {
  /** The folder that holds the versioned files. */
  readonly workTree: string;
  /** The .dlv folder. */
  readonly dir: string;
  /** What is before the path of a file of the work tree. */
  readonly #below: string;

  constructor(workTree: string) {
    this.workTree = workTree;
    this.#below = path.join(workTree, path.sep);
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
    return this.incomingOf(ownFolderName());
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
    return `${TRASH_DIR}/${Date.now()}-${randomName(2)}-${name}`;
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
    if (path.sep === '/' && !ODD_PARTS.test(file)) return this.#below + file;
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

/** Where the repository of a folder would be, and what tells that there is one. Unlike `Layout`, it guards nothing. */
export function repositoryMarks(folder: string): {
  dir: string;
  files: string[];
  keptHead: string;
  packs: string;
} {
  const dir = path.join(folder, REPOSITORY_DIR);
  return {
    dir,
    files: ['format', 'HEAD', 'manifest'].map((name) => path.join(dir, name)),
    keptHead: path.join(dir, 'kept', 'HEAD'),
    packs: path.join(dir, PACKS_DIR),
  };
}

/** True if a path, without links, is or lies in the data of a repository: of this one or any other. */
export function isRepositoryData(place: string): boolean {
  return place.split(path.sep).includes(REPOSITORY_DIR);
}
