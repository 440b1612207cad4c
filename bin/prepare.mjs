/**
 * `npm run prepare`: builds dlv. In a fresh clone `npm install -g .` only makes a link and installs nothing, so
 * that what the build and the command need is installed here first; that install builds, too.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const cwd = fileURLToPath(new URL('..', import.meta.url));
const isInstalled = existsSync(new URL('../node_modules/typescript', import.meta.url));
// The settings of the outer npm, '--global' among them, are not meant for this one.
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^npm_config_(global|prefix|location)/i.test(name),
  ),
);
const args = isInstalled ? ['run', 'build'] : ['ci'];
const { status } = spawnSync('npm', args, { cwd, env, stdio: 'inherit', shell: true });
process.exit(status ?? 1);
