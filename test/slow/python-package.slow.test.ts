/** All tests of the Python package that need no framework; test/integration/python-package.test.ts has the essential ones. */
import test from 'ava';
import { runPythonTests } from '../helpers/python-package.js';

for (const name of ['test_package', 'test_commits', 'test_torch', 'test_docs']) {
  test(`python: ${name}`, (t) => {
    t.timeout(600_000);
    return runPythonTests(t, [name]);
  });
}
