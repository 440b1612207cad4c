/** Runs the command at a terminal, which the program `script` of util-linux makes; that of BSD takes other flags. */
import { spawn, spawnSync } from 'node:child_process';
import { DLV_BIN } from './dlv.js';
import { NO_SETTINGS, TESTER } from './paths.js';

/** False where there is no such program. */
export const hasTerminal: boolean = /util-linux/.test(
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '',
);

/** How a command at a terminal ended. */
export interface TerminalResult {
  code: number | null;
  /** What the terminal showed. */
  shown: string;
}

/** @param dir  folder that the command runs in, and where its temporary files are. */
export async function atTerminal(
  dir: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<TerminalResult> {
  const words = [process.execPath, DLV_BIN, ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qefc', words, '/dev/null'], {
    cwd: dir,
    env: { ...process.env, ...TESTER, DLV_CONFIG: NO_SETTINGS, TERM: 'xterm', TMPDIR: dir, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.on('data', (chunk) => {
    shown += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, shown };
}
