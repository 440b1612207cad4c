/**
 * The git repository around a work tree, if there is one: asked through the `git` command, which
 * never prompts, never takes git's locks and never runs for long.
 */
import path from 'node:path';
import { statNow } from '../../../base/files/files.js';
import { realPath } from '../../../base/files/places/user-paths.js';
import type { GitState } from '../version/version.js';

const TIMEOUT_MS = 5000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

interface GitAnswer {
  /** Exit code; null if git is absent, was ended, or said more than fits. */
  code: number | null;
  stdout: string;
}

/**
 * Settings that keep a git repository from naming programs to be run: it may be a stranger's. What
 * is in the user's own git settings holds.
 */
const SAFE = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'];

/** Runs git in `dir`; never throws. */
function git(dir: string, args: string[], signal?: AbortSignal): Promise<GitAnswer> {
  // Loading it takes as long as a tenth of `dlv status`, which mostly asks git nothing.
  const { execFile } = process.getBuiltinModule('node:child_process');
  const env = {
    ...process.env,
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
    GIT_PAGER: 'cat',
    // An object that is missing must not be fetched: the address of the remote can be a command.
    GIT_NO_LAZY_FETCH: '1',
    GIT_ALLOW_PROTOCOL: 'none',
    LC_ALL: 'C',
  };
  const options = { cwd: dir, env, timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX, signal };
  return new Promise((resolve) => {
    execFile('git', [...SAFE, ...args], options, (error, stdout) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
      resolve({ code, stdout });
    });
  });
}

/** Scopes of git's settings that belong to the user or the machine, not to a repository. */
const OWN_SCOPES = new Set(['system', 'global', 'command']);

/**
 * Options that turn off the filters which a repository's own settings define: comparing a file runs
 * them. null if one of them has a name that no option can hold.
 */
async function withoutFilters(dir: string, signal?: AbortSignal): Promise<string[] | null> {
  const pattern = '^filter\\..*\\.(clean|smudge|process)$';
  const args = ['config', '--show-scope', '--name-only', '--null', '--get-regexp', pattern];
  const { code, stdout } = await git(dir, args, signal);
  if (code === 1) return []; // none is set
  if (code !== 0) return null;
  const options: string[] = [];
  const words = stdout.split('\0').slice(0, -1);
  for (let i = 0; i < words.length; i += 2) {
    if (OWN_SCOPES.has(words[i] as string)) continue;
    const filter = /^filter\.([\w.-]+)\.[a-z]+$/.exec(words[i + 1] ?? '')?.[1];
    if (filter === undefined) return null;
    for (const key of ['clean', 'smudge', 'process'])
      options.push('-c', `filter.${filter}.${key}=`);
    options.push('-c', `filter.${filter}.required=false`);
  }
  return options;
}

/** False also where it cannot be told. */
function isThere(place: string): boolean {
  try {
    return statNow(place) !== null;
  } catch {
    return false;
  }
}

/** False if `dir` is surely in no git repository: then no process has to be started to learn it. */
function mayHaveGit(dir: string): boolean {
  if (process.env.GIT_DIR !== undefined) return true;
  for (let at = dir; ; at = path.dirname(at)) {
    // A bare repository has HEAD itself where others have .git.
    for (const name of ['.git', 'HEAD']) {
      if (isThere(path.join(at, name))) return true;
    }
    if (path.dirname(at) === at) return false;
  }
}

/**
 * Commit and state of the git repository that holds `dir`; null without git, outside of a
 * repository, and before its first commit. Where git takes too long to compare its files, or would
 * have to run a program that the repository names, `dirty` is true: they are not known to be clean.
 * Changes inside of submodules are not looked for, since git reads their settings for that.
 */
export async function readGitState(dir: string, signal?: AbortSignal): Promise<GitState | null> {
  if (!mayHaveGit(await realPath(dir))) return null;
  const head = await git(dir, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], signal);
  const commit = head.stdout.trim();
  if (head.code !== 0 || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(commit)) return null;
  const filters = await withoutFilters(dir, signal);
  if (filters === null) return { commit, dirty: true };
  const flags = ['--porcelain', '--untracked-files=no', '--ignore-submodules=dirty'];
  const status = await git(dir, [...filters, 'status', ...flags], signal);
  return { commit, dirty: status.code !== 0 || status.stdout !== '' };
}

/**
 * How tracked files differ from the last commit, as a patch without the bytes of binary files; null where git
 * cannot tell without running a program that the repository names.
 * @param most  bytes that are kept of a longer one.
 */
export async function readGitDiff(
  dir: string,
  most: number,
  signal?: AbortSignal,
): Promise<{ text: string; cut: boolean } | null> {
  if (!mayHaveGit(await realPath(dir))) return null;
  const filters = await withoutFilters(dir, signal);
  if (filters === null) return null;
  const flags = ['--no-ext-diff', '--no-textconv', '--no-color', '--ignore-submodules=all'];
  const { code, stdout } = await git(dir, [...filters, 'diff', ...flags, 'HEAD', '--'], signal);
  if (code !== 0) return null;
  const bytes = Buffer.from(stdout);
  if (bytes.length <= most) return { text: stdout, cut: false };
  return { text: bytes.subarray(0, most).toString('utf8'), cut: true };
}

/**
 * Who the user is by the settings of git, `user.name` and `user.email`; null for one that is not set.
 * @param trusted  also takes what the git repository around `dir` sets; else the user's own alone.
 */
export async function readGitUser(
  dir: string,
  trusted = false,
): Promise<{ name: string | null; email: string | null }> {
  const args = ['config', '--show-scope', '--null', '--get-regexp', '^user\\.(name|email)$'];
  const { code, stdout } = await git(dir, args);
  const user = { name: null as string | null, email: null as string | null };
  const words = code === 0 ? stdout.split('\0').slice(0, -1) : [];
  for (let i = 0; i + 1 < words.length; i += 2) {
    if (!trusted && !OWN_SCOPES.has(words[i] as string)) continue;
    const [, key, value] =
      /^user\.(name|email)(?:\n([\s\S]*))?$/.exec(words[i + 1] as string) ?? [];
    if (key === 'name' || key === 'email') user[key] = value === '' ? null : (value ?? null);
  }
  return user;
}
