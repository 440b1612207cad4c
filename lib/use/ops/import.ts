/** `dlv import`: takes the history that another tool keeps, as versions of a model. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { quoteSome, shellWord } from '../../base/bytes/words/wording.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import { leadsTo, realPath } from '../../base/files/places/user-paths.js';
import { kindOfFolder } from '../../storage/exchange/open-remote.js';
import { checkModelName } from '../../storage/repo/refs/ref-name.js';
import type { OpContext } from '../context.js';
import { openCheckpoints } from '../importing/checkpoint-source.js';
import { openGitHistory } from '../importing/git/git-source.js';
import { cachedModels, isHubCache, openHubCache } from '../importing/hub-source.js';
import type { SourceHistory } from '../importing/source.js';
import { type ImportReport, storeHistory } from '../importing/store-history.js';
import type { Repository } from '../repository.js';

/** Kinds of histories. */
export const IMPORT_KINDS = ['git', 'checkpoints', 'hub-cache'] as const;
export type ImportKind = (typeof IMPORT_KINDS)[number];

export interface ImportOptions {
  /** Folder of the other tool. */
  dir: string;
  /** Default: told by what the folder holds. */
  kind?: ImportKind;
  /** Model that the versions belong to; default: the name of the folder. */
  model?: string;
  /** Globs of the files that are taken; default: all. */
  only?: readonly string[];
  /** Says what would be made. */
  dryRun?: boolean;
}

export interface ImportResult extends ImportReport {
  dryRun: boolean;
  kind: ImportKind;
  path: string;
  model: string;
  /** The version that `dlv switch <model>` goes to; null if none was made. */
  tip: Id | null;
}

/** @throws {NotFoundError} {ConflictError} {UsageError} {IoError} */
export async function importHistory(
  repo: Repository,
  options: ImportOptions,
  context: OpContext,
): Promise<ImportResult> {
  const dir = path.resolve(context.cwd, options.dir);
  if ((await leadsTo(dir)) !== 'folder') {
    const isAddress = /^[a-z][a-z0-9+.-]*:\/\/|^[\w.-]+@[\w.-]+:/i.test(options.dir);
    throw new NotFoundError(`there is no folder '${options.dir}'`, {
      kind: 'path',
      name: dir,
      ...(isAddress
        ? { hint: "import reads a folder: 'git clone' it first, then import the clone" }
        : {}),
    });
  }
  if (options.kind === undefined) await refuseOwnKind(repo, dir, options.dir);
  const kind = options.kind ?? (await kindOf(dir));
  const source = await open(kind, dir);
  let isClosed = false;
  try {
    const model = checkModelName(options.model ?? nameFor(source.model));
    const { only = [], dryRun = false } = options;
    const report = await storeHistory(repo, source, { model, only, dryRun }, context);
    await source.close();
    isClosed = true;
    const problems = [...report.problems, ...source.problems];
    warnOf(problems, context);
    const tip = report.branches[0]?.version ?? null;
    return { ...report, problems, dryRun, kind, path: dir, model, tip };
  } finally {
    if (!isClosed) await source.close();
  }
}

/**
 * What dlv keeps itself is fetched: its files alone would be versions that nobody made. The work tree of this
 * repository may hold checkpoints, and git's history, from before there was one.
 * @throws {UsageError}
 */
async function refuseOwnKind(repo: Repository, dir: string, given: string): Promise<void> {
  const own = await kindOfFolder(dir);
  if (own === null || (await realPath(dir)) === (await realPath(repo.layout.workTree))) return;
  const name = nameFor(path.basename(dir, '.dlv'));
  const place = shellWord(given);
  const other =
    own === 'repository' ? '; --as git or --as checkpoints takes other files in it' : '';
  throw new UsageError(`'${given}' is a ${own} of dlv: its versions are fetched, not imported`, {
    path: dir,
    hint:
      `'dlv remote add ${name} ${place}', then 'dlv fetch ${name}' brings its branches here; ` +
      `'dlv clone ${place}' makes a repository of its own${other}`,
  });
}

/** Problems that are warned of one by one; a long history may have thousands. */
const PROBLEMS_WARNED = 20;

function warnOf(problems: readonly string[], { warn }: OpContext): void {
  for (const problem of problems.slice(0, PROBLEMS_WARNED)) warn(problem, 'last');
  const more = problems.length - PROBLEMS_WARNED;
  if (more > 0) warn(`and ${more} more problems: 'dlv import --json' lists all`, 'last');
}

/** A folder's name as that of a model. */
function nameFor(name: string): string {
  const plain = name.replace(/[@/\s~^:?*[\]\\]+/g, '-').replace(/^[-.]+|[-.]+$/g, '');
  return plain === '' ? 'imported' : plain;
}

async function kindOf(dir: string): Promise<ImportKind> {
  if (await isHubCache(dir)) return 'hub-cache';
  const models = await cachedModels(dir);
  if (models.length > 0) {
    throw new UsageError(`'${dir}' is a cache of the Hub with ${models.length} models`, {
      path: dir,
      hint: `import one of them: ${quoteSome(models.map((name) => path.join(dir, name)))}`,
    });
  }
  const isGit =
    (await leadsTo(path.join(dir, '.git'))) !== null ||
    ((await leadsTo(path.join(dir, 'HEAD'))) === 'file' &&
      (await leadsTo(path.join(dir, 'objects'))) === 'folder');
  return isGit ? 'git' : 'checkpoints';
}

function open(kind: ImportKind, dir: string): Promise<SourceHistory> {
  if (kind === 'git') return openGitHistory(dir);
  return kind === 'hub-cache' ? openHubCache(dir) : openCheckpoints(dir);
}
