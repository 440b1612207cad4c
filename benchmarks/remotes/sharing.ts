/**
 * Tools that bring versions to a remote and back, each by the commands that a person would type. One that is not
 * installed is skipped by name.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { measureDlv, PROJECT_ROOT, runProcess } from '../harness.js';
import { firstLine, type Taken, timedAll } from '../peers/process.js';

/** What one step took; requests where they are known. */
export interface Step extends Taken {
  requests: number | null;
}

/** Two repositories of one tool and the remote between them. */
export interface Shared {
  /** Work tree of the one that pushes, and of the one that fetches. */
  from: string;
  to: string;
  /** Folder whose growth is what a push brings; null: it is counted by the server. */
  remote: string | null;
  /** Folder whose growth is what a clone or fetch brings. */
  store: string;
  init(): Promise<void>;
  /** Stores the work tree as a version, there alone. */
  commit(version: number): Promise<void>;
  push(): Promise<Step>;
  clone(): Promise<Step>;
  pull(): Promise<Step>;
}

export interface SharingTool {
  name: string;
  version(): Promise<string | null>;
  hint: string;
  /** False: it moves files and knows no versions. */
  knowsVersions: boolean;
  open(dir: string): Shared;
}

const DVC = process.env.DLV_PEER_DVC ?? 'dvc';

async function dlvStep(args: readonly string[], cwd: string): Promise<Step> {
  const { seconds, cpuSeconds, stdout } = await measureDlv(args, cwd);
  const { requests } = JSON.parse(stdout) as { requests: number };
  return { seconds, cpuSeconds, requests };
}

/** dlv over an address, given the folder of the run. */
export function dlvOver(
  name: string,
  addressIn: (dir: string) => string,
  isFolder: boolean,
): SharingTool {
  return {
    name,
    version: () =>
      firstLine([process.execPath, path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs'), '--version']),
    hint: '',
    knowsVersions: true,
    open(dir) {
      const from = path.join(dir, 'net');
      const to = path.join(dir, 'copy');
      const address = addressIn(dir);
      return {
        from,
        to,
        remote: isFolder ? address : null,
        store: path.join(to, '.dlv'),
        async init() {
          await fs.mkdir(from);
          await measureDlv(['init'], from);
          await measureDlv(['remote', 'add', 'origin', address], from);
        },
        async commit(version) {
          await measureDlv(['add', '.'], from);
          await measureDlv(['commit', '-m', `v${version}`], from);
        },
        push: () => dlvStep(['push'], from),
        clone: () => dlvStep(['clone', address, to], dir),
        pull: () => dlvStep(['pull'], to),
      };
    },
  };
}

function step(taken: Taken): Step {
  return { ...taken, requests: null };
}

async function gitEnv(dir: string): Promise<Record<string, string>> {
  const config = path.join(dir, 'gitconfig');
  await fs.writeFile(
    config,
    '[user]\n name = Bench\n email = bench@example.org\n[init]\n defaultBranch = main\n' +
      '[filter "lfs"]\n clean = git-lfs clean -- %f\n smudge = git-lfs smudge -- %f\n process = git-lfs filter-process\n required = true\n',
  );
  return { GIT_CONFIG_GLOBAL: config, GIT_CONFIG_NOSYSTEM: '1', HOME: dir, DVC_NO_ANALYTICS: '1' };
}

async function all(commands: readonly string[][], cwd: string, env: Record<string, string>) {
  for (const [program = '', ...args] of commands) await runProcess(program, args, { cwd, env });
}

const GIT_LFS: SharingTool = {
  name: 'git-lfs',
  version: () => firstLine(['git', 'lfs', 'version']),
  hint: 'install git-lfs',
  knowsVersions: true,
  open(dir) {
    const from = path.join(dir, 'net');
    const to = path.join(dir, 'copy');
    const remote = path.join(dir, 'remote.git');
    let env: Record<string, string> = {};
    return {
      from,
      to,
      remote,
      store: path.join(to, '.git'),
      async init() {
        env = await gitEnv(dir);
        await fs.mkdir(from);
        await all([['git', 'init', '-q', '--bare', remote]], dir, env);
        await all(
          [
            ['git', 'init', '-q'],
            ['git', 'lfs', 'install', '--local'],
            ['git', 'remote', 'add', 'origin', `file://${remote}`],
          ],
          from,
          env,
        );
        await fs.writeFile(
          path.join(from, '.gitattributes'),
          '*.safetensors filter=lfs diff=lfs merge=lfs -text\n',
        );
      },
      commit: (version) =>
        all(
          [
            ['git', 'add', '-A'],
            ['git', 'commit', '-q', '-m', `v${version}`],
          ],
          from,
          env,
        ),
      push: async () =>
        step(await timedAll([['git', 'push', '-q', 'origin', 'main']], { cwd: from, env })),
      clone: async () => {
        const cloned = await timedAll([['git', 'clone', '-q', `file://${remote}`, to]], {
          cwd: dir,
          env,
        });
        const rest = await timedAll([['git', 'lfs', 'fetch', '--all', 'origin']], { cwd: to, env });
        return step({
          seconds: cloned.seconds + rest.seconds,
          cpuSeconds: cloned.cpuSeconds + rest.cpuSeconds,
        });
      },
      pull: async () => step(await timedAll([['git', 'pull', '-q']], { cwd: to, env })),
    };
  },
};

const DVC_TOOL: SharingTool = {
  name: 'DVC',
  version: () => firstLine([DVC, '--version']),
  hint: 'pip install dvc, or DLV_PEER_DVC=<its program>',
  knowsVersions: true,
  open(dir) {
    const from = path.join(dir, 'net');
    const to = path.join(dir, 'copy');
    const store = path.join(dir, 'store');
    let env: Record<string, string> = {};
    return {
      from,
      to,
      remote: store,
      store: path.join(to, '.dvc', 'cache'),
      async init() {
        env = await gitEnv(dir);
        await fs.mkdir(from);
        const remote = path.join(dir, 'remote.git');
        await all([['git', 'init', '-q', '--bare', remote]], dir, env);
        await all(
          [
            ['git', 'init', '-q'],
            ['git', 'remote', 'add', 'origin', remote],
            [DVC, 'init', '-q'],
            [DVC, 'remote', 'add', '-q', '-d', 'team', store],
          ],
          from,
          env,
        );
      },
      commit: (version) =>
        all(
          [
            [DVC, 'add', '-q', 'model.safetensors'],
            ['git', 'add', '-A'],
            ['git', 'commit', '-q', '-m', `v${version}`],
          ],
          from,
          env,
        ),
      push: async () =>
        step(
          await timedAll(
            [
              [DVC, 'push', '-q', '--all-commits'],
              ['git', 'push', '-q', 'origin', 'main'],
            ],
            { cwd: from, env },
          ),
        ),
      clone: async () => {
        const cloned = await timedAll([['git', 'clone', '-q', path.join(dir, 'remote.git'), to]], {
          cwd: dir,
          env,
        });
        const rest = await timedAll(
          [
            [DVC, 'fetch', '-q', '--all-commits'],
            [DVC, 'checkout', '-q'],
          ],
          { cwd: to, env },
        );
        return step({
          seconds: cloned.seconds + rest.seconds,
          cpuSeconds: cloned.cpuSeconds + rest.cpuSeconds,
        });
      },
      pull: async () =>
        step(
          await timedAll(
            [
              ['git', 'pull', '-q'],
              [DVC, 'pull', '-q'],
            ],
            { cwd: to, env },
          ),
        ),
    };
  },
};

/** Copies dlv's packs and nothing else: what bringing the same bytes costs without looking at them. */
function copier(
  name: string,
  program: readonly string[],
  version: () => Promise<string | null>,
  hint: string,
): SharingTool {
  return {
    name,
    version,
    hint,
    knowsVersions: false,
    open(dir) {
      const from = path.join(dir, 'net');
      const to = path.join(dir, 'copy');
      const remote = path.join(dir, 'remote');
      const packs = path.join(from, '.dlv', 'packs');
      const copy = async (a: string, b: string): Promise<Step> =>
        step(
          await timedAll([[...program, `${a}${program[0] === 'cp' ? '/.' : ''}`, b]], {
            cwd: dir,
            env: {},
          }),
        );
      return {
        from,
        to,
        remote,
        store: to,
        async init() {
          await fs.mkdir(from);
          await fs.mkdir(remote);
          await fs.mkdir(to);
          await measureDlv(['init'], from);
        },
        async commit(version) {
          await measureDlv(['add', '.'], from);
          await measureDlv(['commit', '-m', `v${version}`], from);
        },
        push: () => copy(packs, remote),
        clone: () => copy(remote, to),
        pull: () => copy(remote, to),
      };
    },
  };
}

/** The rivals, those that are compared byte by byte first. */
export const RIVALS: readonly SharingTool[] = [
  GIT_LFS,
  DVC_TOOL,
  copier(
    'rclone copy of the packs',
    ['rclone', 'copy', '--config', '/dev/null'],
    () => firstLine(['rclone', 'version']),
    'install rclone',
  ),
  copier(
    'cp of the packs',
    ['cp', '-r', '-u'],
    () => firstLine(['cp', '--version']),
    'install coreutils',
  ),
];

export async function bytesBelow(dir: string): Promise<number> {
  let bytes = 0;
  const entries = await fs.readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isFile()) bytes += (await fs.stat(path.join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}

export async function sha256Of(file: string): Promise<string> {
  return createHash('sha256')
    .update(await fs.readFile(file))
    .digest('hex');
}
