/**
 * The Python package of lib/python: what is essential, run by a real Python against the built command. What it needs of
 * NumPy is skipped loudly where that is missing; DLV_TEST_PYTHON names a Python that has it. All of its tests are in
 * test/slow/python-package.slow.test.ts, and with the frameworks in .ci/python.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'ava';
import { PROJECT_ROOT } from '../helpers/paths.js';
import { findPython, runPythonTests } from '../helpers/python-package.js';

const ESSENTIAL = [
  'test_package.Arrays.test_what_is_committed_is_loaded',
  'test_package.Arrays.test_headers_that_lie_are_refused',
  'test_package.Runs.test_a_loop_tells_of_itself',
  'test_package.Runs.test_commits_in_the_background_hold_what_they_commit',
  'test_package.Processes.test_a_process_that_was_killed_is_started_again',
  'test_package.Processes.test_errors_say_what_to_do',
  'test_package.Processes.test_without_dlv_it_is_said_how_to_get_it',
  'test_commits.Commits',
  'test_docs.Docs.test_the_page',
];

test('python: what is essential', (t) => runPythonTests(t, ESSENTIAL));

/** Parses each file of the package as Python 3.9 would. */
const PARSE = `
import ast, pathlib, sys
for file in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    ast.parse(file.read_text(encoding="utf-8"), str(file), feature_version=(3, 9))
    print(file.name)
`;

test('python: the package is written in the language of Python 3.9', (t) => {
  const python = findPython();
  if (python === null) return t.pass('no Python 3.9 on this machine');
  const ran = spawnSync(python, ['-c', PARSE, path.join(PROJECT_ROOT, 'lib/python/dlv')], {
    encoding: 'utf8',
  });
  t.is(ran.status, 0, ran.stderr);
  t.true(ran.stdout.split('\n').includes('repository.py'));
});
