/**
 * Which repository a command works on, and whether it may be used.
 *
 * The folder may be somebody else's: /tmp/.dlv, a shared disk, an archive. As git does, dlv refuses a
 * repository that belongs to another user until the user's own settings name it. Root may use its own
 * and, under sudo, those of the user who called it. @see docs/format/layout.md
 */
import path from 'node:path';
import { NoRepositoryError, UnsafeError } from '../../base/errors.js';
import { listDirectory, ownerOf, statNow } from '../../base/files/files.js';
import { Layout, repositoryMarks } from './layout.js';
import { readConfigFile, userConfigFile } from './settings/config.js';
import { addFolder, listsFolder } from './settings/safe.js';

/** The variable that names trusted work trees, for containers and CI. */
export const SAFE_DIRECTORY_VARIABLE = 'DLV_SAFE_DIRECTORY';

/** Finds the repository around a folder and checks that it may be used.
 *  @throws {NoRepositoryError} DLV_NO_REPOSITORY if there is none; {UnsafeError} DLV_UNSAFE. */
export async function findRepository(
  startDir: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Layout> {
  const layout = await findRepositoryOrNull(startDir);
  await refuseFile(startDir, layout);
  if (layout === null) {
    throw new NoRepositoryError(`no repository in '${path.resolve(startDir)}' or above it`, {
      path: path.resolve(startDir),
      hint: "run 'dlv init' in the folder that holds your models",
    });
  }
  await checkTrusted(layout, env);
  return layout;
}

/** A file '.dlv' on the way is not a repository, and must not silently mean one further up. */
async function refuseFile(startDir: string, found: Layout | null): Promise<void> {
  let dir = path.resolve(startDir);
  for (; dir !== found?.workTree; dir = path.dirname(dir)) {
    const place = new Layout(dir).dir;
    if (statNow(place)?.isFile) {
      throw new NoRepositoryError(`'${place}' is a file, not a folder`, {
        path: place,
        hint: 'a repository is a folder; dlv does not use a file of that name: move it away',
      });
    }
    if (dir === path.dirname(dir)) return;
  }
}

/**
 * Checks that a repository belongs to the user, or that the user trusts it.
 * @throws {UnsafeError} DLV_UNSAFE if the work tree or `.dlv` is somebody else's, or `.dlv` is a link.
 */
export async function checkTrusted(
  layout: Layout,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const why = await whyUnsafe(layout, env);
  if (why === null) return;
  const fromEnv = env[SAFE_DIRECTORY_VARIABLE] ?? '';
  if (await listsFolder(fromEnv, layout.workTree)) return;
  const list = (await readConfigFile(userConfigFile(env))).get('safe.directory') ?? null;
  if (list !== null && (await listsFolder(list, layout.workTree))) return;
  const folder = path.resolve(layout.workTree);
  const isThere = statNow(layout.dir) !== null;
  const what = isThere ? `the repository '${folder}'` : `a repository in '${folder}'`;
  throw new UnsafeError(`cannot use ${what}: ${why}`, {
    file: layout.dir,
    hint:
      (isThere ? '' : 'make a folder of your own in it for the repository; ') +
      `if you trust it, run: dlv config --user safe.directory '${addFolder(list, folder)}' ` +
      `(in a container or CI: ${SAFE_DIRECTORY_VARIABLE}='${folder}')`,
  });
}

/** What makes a repository unsafe, or null. */
async function whyUnsafe(layout: Layout, env: NodeJS.ProcessEnv): Promise<string | null> {
  const there = statNow(layout.dir);
  if (there?.isSymlink) return "its '.dlv' is a symbolic link";
  const own = process.geteuid?.();
  if (own === undefined) return null; // Windows: files have no such owner
  for (const place of [layout.workTree, layout.dir]) {
    const owner = await ownerOf(place);
    if (owner === null || owner === own || owner === sudoUser(own, env)) continue;
    return `'${place}' belongs to user ${owner}, and you are user ${own}`;
  }
  return null;
}

/** The user who became root with sudo, or null. */
function sudoUser(own: number, env: NodeJS.ProcessEnv): number | null {
  const uid = env.SUDO_UID ?? '';
  return own === 0 && /^\d{1,10}$/.test(uid) ? Number(uid) : null;
}

/** True if a folder is the work tree of a repository, perhaps of a damaged or dangerous one. */
export async function holdsRepository(folder: string): Promise<boolean> {
  const marks = repositoryMarks(folder);
  if (statNow(marks.dir)?.isFile !== false) return false;
  // Any of them alone, whatever it is, means a repository, which its readers will judge.
  for (const file of marks.files) if (statNow(file) !== null) return true;
  return holdsRemains(folder);
}

/** True if there are packs or kept state files in the .dlv of a folder. Where 'git clean' was at work, all other files are gone. */
export async function holdsRemains(folder: string): Promise<boolean> {
  const { keptHead, packs } = repositoryMarks(folder);
  if (statNow(keptHead) !== null) return true;
  if (statNow(packs)?.isDirectory !== true) return false;
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
