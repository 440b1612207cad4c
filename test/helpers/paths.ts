/** Where the project's own files are, seen from the compiled tests in dist/test/. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json, from dist/test/helpers/paths.js. */
export const PROJECT_ROOT = path.resolve(fileURLToPath(import.meta.url), '../../../..');

/** The path of a file under test/fixtures/. */
export function fixture(...parts: string[]): string {
  return path.join(PROJECT_ROOT, 'test', 'fixtures', ...parts);
}

/** Settings of a user for tests: this file is not there and cannot be made. */
export const NO_SETTINGS = '/proc/dlv-tests/config';

/** The author of what tests commit. */
export const TESTER = { DLV_AUTHOR_NAME: 'Tester', DLV_AUTHOR_EMAIL: 'tester@example.org' };
