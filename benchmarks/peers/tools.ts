/**
 * The tools that are compared, each by the commands that a person would type. One that is not installed
 * is skipped by name; a variable of the environment names a program that is elsewhere.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROJECT_ROOT, runProcess } from '../harness.js';
import type { InputFile } from './inputs.js';
import { firstLine, type Place, type Taken, timedAll } from './process.js';

/** A repository of one tool in a folder of its own. */
export interface ToolRepository {
  /** The work tree. */
  tree: string;
  /** What the tool keeps: its bytes are what it takes. */
  store: string;
  init(): Promise<void>;
  /** Stores what the work tree holds; `files` came since the last time. */
  put(files: readonly InputFile[], version: number): Promise<Taken>;
  /** Writes the newest version into the work tree, which has none of its files. */
  get(files: readonly InputFile[], version: number): Promise<Taken>;
}

export interface Tool {
  name: string;
  /** Its version, or null: it is not here. */
  version(): Promise<string | null>;
  /** Where to get it, for those who skipped it. */
  hint: string;
  open(dir: string): ToolRepository;
}

const DLV = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');
const PYTHON = process.env.DLV_PEER_PYTHON ?? 'python3';
const DVC = process.env.DLV_PEER_DVC ?? 'dvc';
const HERE = path.dirname(fileURLToPath(import.meta.url)).replace('/dist/', '/');
const NO_ENV: Record<string, string> = {};

const AUTHOR = { DLV_AUTHOR_NAME: 'Bench', DLV_AUTHOR_EMAIL: 'bench@example.org' };
const GIT = {
  GIT_AUTHOR_NAME: 'Bench',
  GIT_AUTHOR_EMAIL: 'bench@example.org',
  GIT_COMMITTER_NAME: 'Bench',
  GIT_COMMITTER_EMAIL: 'bench@example.org',
  GIT_CONFIG_GLOBAL: '/dev/null',
};

async function initBy(commands: readonly string[][], { cwd, env }: Place): Promise<void> {
  for (const [program, ...args] of commands) {
    await runProcess(program as string, args, { cwd, env });
  }
}

export const DLV_TOOL: Tool = {
  name: 'dlv',
  version: () => firstLine([process.execPath, DLV, '--version']),
  hint: '',
  open(dir) {
    const place = { cwd: dir, env: { ...AUTHOR, DLV_CONFIG: path.join(dir, '..', 'no-settings') } };
    const dlv = (...args: string[]): string[] => [process.execPath, DLV, '-q', ...args];
    return {
      tree: dir,
      store: path.join(dir, '.dlv'),
      init: () => initBy([dlv('init')], place),
      put: (_, version) => timedAll([dlv('add', '.'), dlv('commit', '-m', `v${version}`)], place),
      get: () => timedAll([dlv('restore', '.')], place),
    };
  },
};

const GIT_LFS: Tool = {
  name: 'git-lfs',
  version: () => firstLine(['git', 'lfs', 'version']),
  hint: 'install git-lfs',
  open(dir) {
    const place = { cwd: dir, env: GIT };
    return {
      tree: dir,
      store: path.join(dir, '.git'),
      async init() {
        await initBy(
          [
            ['git', 'init', '-q'],
            ['git', 'lfs', 'install', '--local'],
          ],
          place,
        );
        const attributes = '*.safetensors filter=lfs diff=lfs merge=lfs -text\n';
        await fs.writeFile(path.join(dir, '.gitattributes'), attributes);
      },
      put: (_, version) =>
        timedAll(
          [
            ['git', 'add', '-A', '.'],
            ['git', 'commit', '-q', '-m', `v${version}`],
          ],
          place,
        ),
      get: () => timedAll([['git', 'checkout', '-q', '--', '.']], place),
    };
  },
};

const DVC_TOOL: Tool = {
  name: 'DVC',
  async version() {
    const found = await firstLine([DVC, '--version']);
    return found && `DVC ${found}`;
  },
  hint: 'pip install dvc, or DLV_PEER_DVC=<its program>',
  open(dir) {
    const place = { cwd: dir, env: { DVC_NO_ANALYTICS: '1' } };
    return {
      tree: dir,
      store: path.join(dir, '.dvc'),
      init: () => initBy([[DVC, 'init', '-q', '--no-scm']], place),
      put: (files) => timedAll([[DVC, 'add', '-q', ...files.map((file) => file.path)]], place),
      get: () => timedAll([[DVC, 'checkout', '-q']], place),
    };
  },
};

const BORG: Tool = {
  name: 'borg',
  version: () => firstLine(['borg', '--version']),
  hint: 'install borgbackup',
  open(dir) {
    const store = `${dir}-borg`;
    const env = {
      BORG_BASE_DIR: `${dir}-borg-home`,
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
      BORG_REPO: store,
    };
    const place = { cwd: dir, env };
    return {
      tree: dir,
      store,
      init: () => initBy([['borg', 'init', '-e', 'none']], place),
      put: (_, version) => timedAll([['borg', 'create', `::v${version}`, '.']], place),
      get: (_, version) => timedAll([['borg', 'extract', `::v${version}`]], place),
    };
  },
};

const RESTIC: Tool = {
  name: 'restic',
  version: () => firstLine(['restic', 'version']),
  hint: 'install restic',
  open(dir) {
    const store = `${dir}-restic`;
    const env = {
      RESTIC_REPOSITORY: store,
      RESTIC_PASSWORD: 'bench',
      RESTIC_CACHE_DIR: `${dir}-restic-cache`,
    };
    const place = { cwd: dir, env };
    return {
      tree: dir,
      store,
      init: () => initBy([['restic', 'init', '-q']], place),
      put: () => timedAll([['restic', 'backup', '-q', '.']], place),
      get: () => timedAll([['restic', 'restore', '-q', 'latest', '--target', '.']], place),
    };
  },
};

const XET: Tool = {
  name: "Xet's client",
  async version() {
    const line = 'import importlib.metadata as m; print(m.version("hf_xet"))';
    const found = await firstLine([PYTHON, '-c', line]);
    return found && `hf_xet ${found}`;
  },
  hint: 'pip install hf_xet, and DLV_PEER_PYTHON=<that Python>',
  open(dir) {
    const store = `${dir}-xet`;
    const place = { cwd: dir, env: { ...NO_ENV, HF_HOME: `${dir}-xet-home` } };
    const script = path.join(HERE, 'xet.py');
    const keys = new Map<string, string>();
    return {
      tree: dir,
      store,
      init: async () => {},
      async put(files) {
        const paths = files.map((file) => file.path);
        const taken = await timedAll([[PYTHON, script, 'put', store, ...paths]], place);
        // Asked again, the client only says what it stored: nothing is uploaded twice.
        const again = await runProcess(PYTHON, [script, 'put', store, ...paths], place);
        for (const [at, key] of again.stdout.trim().split('\n').entries()) {
          keys.set(paths[at] as string, key);
        }
        return taken;
      },
      get(files) {
        const wanted = files.flatMap((file) => [keys.get(file.path) as string, file.path]);
        return timedAll([[PYTHON, script, 'get', store, ...wanted]], place);
      },
    };
  },
};

export const RIVALS: readonly Tool[] = [GIT_LFS, DVC_TOOL, BORG, RESTIC, XET];

/** Bytes of files as ZipNN writes them, or null if it is not installed. */
export async function zipnnBytes(files: readonly string[]): Promise<number[] | null> {
  if ((await firstLine([PYTHON, '-c', 'import zipnn'])) === null) return null;
  const { stdout } = await runProcess(PYTHON, [path.join(HERE, 'zipnn_sizes.py'), ...files]);
  return stdout.trim().split('\n').map(Number);
}
