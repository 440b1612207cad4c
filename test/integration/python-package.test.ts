/**
 * The Python package of lib/python, its own tests run by a real Python against the built command. What it needs of NumPy and
 * torch is skipped loudly where these are missing; DLV_TEST_PYTHON names a Python that has them. The callbacks are
 * tested with their frameworks by .ci/python.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'ava';
import { NO_SETTINGS, PROJECT_ROOT, TESTER } from '../helpers/paths.js';
import { tempDir } from '../helpers/temp-dir.js';

const CANDIDATES = [process.env.DLV_TEST_PYTHON, 'python3', 'python'].filter(
  (name) => name !== undefined,
);
const NEW_ENOUGH = 'import sys; sys.exit(sys.version_info < (3, 9))';
const python = CANDIDATES.find((name) => spawnSync(name, ['-c', NEW_ENOUGH]).status === 0);

for (const name of ['test_package', 'test_docs']) {
  test(`python: ${name}`, async (t) => {
    t.timeout(300_000);
    if (python === undefined) {
      t.log(
        'SKIPPED: no Python 3.9 on this machine (set DLV_TEST_PYTHON): lib/python is NOT tested',
      );
      t.pass();
      return;
    }
    const TMPDIR = await tempDir(t);
    const dlv = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');
    const ran = spawnSync(python, ['-B', '-W', 'ignore', '-m', 'unittest', name], {
      cwd: path.join(PROJECT_ROOT, 'lib/python/tests'),
      encoding: 'utf8',
      env: {
        ...process.env,
        ...TESTER,
        DLV_CONFIG: NO_SETTINGS,
        DLV_COMMAND: `"${process.execPath}" "${dlv}"`,
        PYTHONDONTWRITEBYTECODE: '1',
        TMPDIR,
      },
    });
    for (const line of ran.stderr.split('\n')) if (line.startsWith('SKIPPED')) t.log(line);
    t.is(ran.status, 0, ran.stderr);
    t.regex(ran.stderr, /^OK/m);
  });
}
