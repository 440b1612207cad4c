/** Where the project's own files are, seen from the compiled tests in dist/test/. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json, from dist/test/helpers/paths.js. */
export const PROJECT_ROOT = path.resolve(fileURLToPath(import.meta.url), '../../../..');

/** The path of a file under test/fixtures/. */
export function fixture(...parts: string[]): string {
  return path.join(PROJECT_ROOT, 'test', 'fixtures', ...parts);
}
