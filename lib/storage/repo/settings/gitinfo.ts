/**
 * The git repository around a work tree, if there is one: asked through the `git` command, which
 * never prompts, never takes git's locks and never runs for long.
 */
import { execFile } from 'node:child_process';
import type { GitState } from '../version/version.js';

const TIMEOUT_MS = 5000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

interface GitAnswer {
  /** Exit code; null if git is absent, was ended, or said more than fits. */
  code: number | null;
  stdout: string;
}

/** Runs git in `dir`; never throws. */
function git(dir: string, args: string[], signal?: AbortSignal): Promise<GitAnswer> {
  // A repository's own settings could name programs to run: none of them is wanted here.
  const safe = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'];
  const env = {
    ...process.env,
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
    GIT_PAGER: 'cat',
    LC_ALL: 'C',
  };
  const options = { cwd: dir, env, timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX, signal };
  return new Promise((resolve) => {
    execFile('git', [...safe, ...args], options, (error, stdout) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
      resolve({ code, stdout });
    });
  });
}

/**
 * Commit and state of the git repository that holds `dir`; null without git, outside of a
 * repository, and before its first commit. Where git takes too long to compare its files, `dirty`
 * is true: they are not known to be clean.
 */
export async function readGitState(dir: string, signal?: AbortSignal): Promise<GitState | null> {
  const head = await git(dir, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], signal);
  const commit = head.stdout.trim();
  if (head.code !== 0 || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(commit)) return null;
  const status = await git(dir, ['status', '--porcelain', '--untracked-files=no'], signal);
  return { commit, dirty: status.code !== 0 || status.stdout !== '' };
}

/** One setting of git ('user.name'), or null. */
export async function readGitConfig(dir: string, key: string): Promise<string | null> {
  const { code, stdout } = await git(dir, ['config', '--get', key]);
  const value = stdout.replace(/\n$/, '');
  return code === 0 && value !== '' ? value : null;
}
