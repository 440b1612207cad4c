/**
 * Rules about single files: length, folder names, words that must not stand in the project.
 *
 * The banned words are spelled in pieces so that this file does not find itself.
 */

import path from 'node:path';

export const LINES_MAX = 500;
export const FOLDER_FILES_MAX = 16;
export const FILE_BYTES_MAX = 2_000_000;

const CODE = /^(lib|bin|native|benchmarks|test)\/.*\.(tsx?|c|h|cc|mjs|js|py)$/;
const UNFINISHED = [`TO${''}DO`, `FIX${''}ME`, `X${''}XX`, `HA${''}CK`];
const MARKS = new RegExp(`\\b(${UNFINISHED.join('|')})\\b|\\btest\\.(skip|failing|todo|only)\\b`);
const MACHINE_PATHS = new RegExp(
  ['work', 'farm', 'tmp/bash_jobs'].map((dir) => `/${dir}/`).join('|'),
);
const REGISTRIES = new RegExp(
  [
    'registry\\.(npmjs|yarnpkg)',
    'pypi\\.org',
    'files\\.pythonhosted',
    'crates\\.io/api',
    'proxy\\.golang',
    'deb\\.debian\\.org',
  ].join('|'),
);

/** Problems of one text file; `file` is its path in the project, `/` between folders. */
export function checkText(file: string, text: string): string[] {
  const problems: string[] = [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (CODE.test(file) && lines.length > LINES_MAX) {
    problems.push(`${file}: ${lines.length} lines, at most ${LINES_MAX}`);
  }
  if (file === 'ARCHITECTURE.md' && lines.length > 300) {
    problems.push(`${file}: ${lines.length} lines, at most 300`);
  }
  lines.forEach((line, index) => {
    for (const [pattern, what] of [
      [MARKS, 'a mark of unfinished work'],
      [MACHINE_PATHS, 'a path of one machine'],
      [REGISTRIES, 'the host of a registry'],
    ] as const) {
      const found = pattern.exec(line);
      if (found) problems.push(`${file}:${index + 1}: '${found[0]}' is ${what}`);
    }
  });
  return problems;
}

/** Problems of the folders of lib/: rooms named after nothing. */
export function checkFolders(files: readonly string[]): string[] {
  return files
    .filter((file) => /^lib\/(.*\/)?(utils?|common|helpers?|managers?|misc)(\/|\.ts$)/.test(file))
    .map((file) => `${file}: a helper lives in the room that owns its noun`);
}

/** Folders whose files are one verb each. */
const WIDE = /^lib\/(use\/ops|cli\/commands)$/;

/** Problems of the folders of lib/: so many files in one that it is probably two. */
export function checkWidth(files: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const file of files) {
    const folder = path.posix.dirname(file);
    if (!file.startsWith('lib/') || WIDE.test(folder)) continue;
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].flatMap(([folder, count]) =>
    count > FOLDER_FILES_MAX ? [`${folder}: ${count} files, at most ${FOLDER_FILES_MAX}`] : [],
  );
}

/** Problems of package-lock.json: addresses of downloads. */
export function checkLockfile(text: string): string[] {
  return /"resolved"\s*:/.test(text) ? ['package-lock.json: records download addresses'] : [];
}
