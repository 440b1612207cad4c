/**
 * Ingest of several files: each is laid out with what the files beside it say of it, and stored with
 * the bases that the line's tip offers.
 */
import { isUnreadable } from '../../base/errors.js';
import type { FileStat } from '../../base/files/files.js';
import { type CodecLevel, parseLevel } from '../../pure/codec/segment.js';
import { cutFile, type FileParts } from '../../pure/tensor/file-parts.js';
import type { FileLayout, Role } from '../../pure/tensor/layout.js';
import type { PackSession } from '../objects/session.js';
import { openStoredFile } from '../objects/stored/stored-file.js';
import type { Config } from '../repo/settings/config.js';
import type { FileEntry, FileMode } from '../repo/version/file-page.js';
import { type HintedFile, resolveReferences } from '../repo/version/snapshots.js';
import { type BaseFile, BaseFinder, orderBaseFiles } from './bases/named-bases.js';
import { type IngestedFile, ingestFile } from './ingest.js';
import { type BatchFile, OpenAhead, type OpenedWork, openWork } from './open-ahead.js';
import { isChanged, isOfFile, WorkLayouts } from './work-layouts.js';

/** What staging remembers of a stored file. */
export interface BatchResult extends IngestedFile {
  path: string;
  stat: FileStat;
  /** When it was about to be opened. */
  openedAtNs: string;
  format: string;
  step: number | null;
  /** Roles of its tensors, without repetition. */
  roles: Role[];
  /** Paths (in the version) of files that belong to the same checkpoint. */
  references: string[];
  warnings: string[];
}

/** A file of the parent, with the step of its snapshot. */
interface ParentFile {
  entry: FileEntry;
  step: number | null;
}

export interface BatchOptions {
  /** Files of the parent, the first places to look for bases. */
  parentFiles: readonly ParentFile[];
  chainDepth: number;
  chainCost: number;
  level: CodecLevel;
  /** Reads through symbolic links what the files beside a file say of it. */
  follow?: boolean;
  onBytes?: (count: number) => void;
  /** Receives each file that is gone, cannot be read or keeps changing; without it, such a file is an error. */
  onSkip?: (path: string, error: unknown) => void;
  signal?: AbortSignal;
}

/** What the settings of a repository say of how files are stored. */
export function ingestSettings(
  config: Config,
): Pick<BatchOptions, 'chainDepth' | 'chainCost' | 'level'> {
  return {
    chainDepth: config.get('chain.depth'),
    chainCost: config.get('chain.cost'),
    level: parseLevel(config.get('codec.level')),
  };
}

/** A stored file as a version lists it, with what its format reader said of it. */
export function fileOf(result: BatchResult, mode: FileMode): FileEntry & HintedFile {
  const { path, size, sha256, gitSha1, recipe, format, step, references, roles } = result;
  const hint = { references, roles };
  return { path, mode, size, sha256, gitSha1, recipe, format, step, hint };
}

/** How often a file is read that changes meanwhile. */
const ATTEMPTS = 2;

/** Most files of a parent whose recipes are opened to look for bases of one file. */
const BASE_FILES_MAX = 32;

/** Stores files in the order given and yields what staging needs. */
export async function* ingestBatch(
  session: PackSession,
  files: readonly BatchFile[],
  options: BatchOptions,
): AsyncGenerator<BatchResult> {
  const layouts = new WorkLayouts(options);
  const bases = new BaseFiles(session, options);
  const ahead = new OpenAhead(files);
  try {
    for (const file of files) {
      let result: BatchResult | null = null;
      for (let attempt = 1; result === null; attempt++) {
        try {
          const opened = attempt === 1 ? await ahead.take() : await openWork(file);
          result = await storeFile(session, { ...file, ...opened }, { layouts, bases }, options);
        } catch (error) {
          if (isChanged(error) && attempt < ATTEMPTS) continue;
          if (options.onSkip === undefined || !isOfFile(error, file.shown ?? file.path))
            throw error;
          options.onSkip(file.path, error);
          break;
        }
      }
      if (result === null) continue;
      await bases.add(result);
      yield result;
    }
  } finally {
    await ahead.close();
  }
}

/** Stores one file and closes it. What an attempt that failed left in the set is garbage that nothing names. */
async function storeFile(
  session: PackSession,
  { path: name, file, source, openedAtNs }: BatchFile & OpenedWork,
  known: { layouts: WorkLayouts; bases: BaseFiles },
  options: BatchOptions,
): Promise<BatchResult> {
  try {
    const { about, parts } = cutByLayout(await known.layouts.of(source, name, file), source.size);
    const found = await known.bases.forFile(name, about.step);
    const ingested = await ingestFile(session, source, parts, {
      bases: new BaseFinder(found),
      chainDepth: options.chainDepth,
      chainCost: options.chainCost,
      level: options.level,
      ...(options.onBytes ? { onBytes: options.onBytes } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const { references, warnings } = resolveReferences(name, about.references);
    return {
      ...ingested,
      ...about,
      path: name,
      stat: source.stat,
      openedAtNs,
      references,
      warnings: [...about.warnings, ...warnings],
    };
  } finally {
    await source.close();
  }
}

/** What staging remembers of a layout. */
type AboutLayout = Pick<BatchResult, 'format' | 'step' | 'roles' | 'references' | 'warnings'>;

/** Cuts a file. The layout, which may be large, is dropped. */
function cutByLayout(layout: FileLayout, size: number): { about: AboutLayout; parts: FileParts } {
  const { format, step, references, warnings } = layout;
  const roles = [...new Set(layout.tensors.map((t) => t.role))];
  return { about: { format, step, roles, references, warnings }, parts: cutFile(layout, size) };
}

/** Candidate base files: those of the parent, opened when first needed, and earlier ones of the batch. */
class BaseFiles {
  readonly #session: PackSession;
  /** By path and recipe: several versions may offer files of one path. */
  readonly #opened = new Map<string, BaseFile | null>();
  readonly #added: BaseFile[] = [];
  /** Sought through for each file of the batch: there may be 10^4 of both. */
  readonly #parents: { byPath: Map<string, ParentFile[]>; recipes: ParentFile[] };

  constructor(session: PackSession, { parentFiles }: BatchOptions) {
    this.#session = session;
    const byPath = new Map<string, ParentFile[]>();
    for (const parent of parentFiles) {
      const same = byPath.get(parent.entry.path);
      if (same) same.push(parent);
      else byPath.set(parent.entry.path, [parent]);
    }
    const recipes = parentFiles.filter(({ entry }) => entry.recipe.kind === 'recipe');
    this.#parents = { byPath, recipes };
  }

  async forFile(name: string, step: number | null): Promise<BaseFile[]> {
    const candidates: BaseFile[] = [...this.#added];
    const same = this.#parents.byPath.get(name) ?? [];
    const others: ParentFile[] = [];
    for (let at = this.#parents.recipes.length - 1; at >= 0; at--) {
      const parent = this.#parents.recipes[at] as ParentFile;
      if (parent.entry.path !== name) others.unshift(parent);
      if (others.length === BASE_FILES_MAX) break;
    }
    for (const parent of [...same, ...others]) {
      const opened = await this.#open(parent.entry, parent.step);
      if (opened) candidates.push(opened);
    }
    return orderBaseFiles(candidates, name, step);
  }

  async #open(entry: FileEntry, step: number | null): Promise<BaseFile | null> {
    const key = `${entry.path}\0${entry.recipe.id}`;
    const hit = this.#opened.get(key);
    if (hit !== undefined) return hit;
    let base: BaseFile | null = null;
    try {
      const { recipe, skeleton } = await openStoredFile(this.#session, entry);
      if (recipe && skeleton) base = { path: entry.path, step, recipe, skeleton };
    } catch (error) {
      // A damaged parent must not keep new work from being stored: it just gives no base.
      if (!isUnreadable(error)) throw error;
    }
    this.#opened.set(key, base);
    return base;
  }

  /** Makes a file stored in this batch a candidate for the next ones. */
  async add(result: BatchResult): Promise<void> {
    if (result.recipe.kind !== 'recipe' || result.extents === 0) return;
    const { recipe, skeleton } = await openStoredFile(this.#session, result);
    if (recipe && skeleton)
      this.#added.push({ path: result.path, step: result.step, recipe, skeleton });
    if (this.#added.length > BASE_FILES_MAX) this.#added.shift();
  }
}
