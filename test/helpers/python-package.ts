/** The tests of lib/python, run by a Python of this machine against the built command. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { NO_SETTINGS, PROJECT_ROOT, TESTER } from './paths.js';
import { tempDir } from './temp-dir.js';

const CANDIDATES = [process.env.DLV_TEST_PYTHON, 'python3', 'python'].filter(
  (name) => name !== undefined,
);
const NEW_ENOUGH = 'import sys; sys.exit(sys.version_info < (3, 9))';

/** A Python that the package runs on; null where there is none. */
export function findPython(): string | null {
  return CANDIDATES.find((name) => spawnSync(name, ['-c', NEW_ENOUGH]).status === 0) ?? null;
}

/** Runs tests of the package by their names for unittest; what it skips is told, and all of it where there is no Python. */
export async function runPythonTests(
  t: ExecutionContext,
  names: readonly string[],
  python = findPython(),
): Promise<void> {
  if (python === null) {
    t.log('SKIPPED: no Python 3.9 on this machine (DLV_TEST_PYTHON): lib/python is NOT tested');
    t.pass();
    return;
  }
  const dlv = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');
  const ran = spawnSync(python, ['-B', '-W', 'ignore', '-m', 'unittest', ...names], {
    cwd: path.join(PROJECT_ROOT, 'lib/python/tests'),
    encoding: 'utf8',
    env: {
      ...process.env,
      ...TESTER,
      DLV_CONFIG: NO_SETTINGS,
      DLV_COMMAND: `"${process.execPath}" "${dlv}"`,
      PYTHONDONTWRITEBYTECODE: '1',
      TMPDIR: await tempDir(t),
    },
  });
  for (const line of ran.stderr.split('\n')) if (line.startsWith('SKIPPED')) t.log(line);
  t.is(ran.status, 0, ran.stderr);
  t.regex(ran.stderr, /^OK/m);
}
