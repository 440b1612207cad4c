/**
 * Who may call the file system: all other files go through lib/base/files/files.ts and so through the
 * gate, which follows no symbolic link below a repository's folder.
 */
import { parseImports } from './imports.js';

/** The files that import node's `fs`, and why each may. */
export const FILE_ACCESS: ReadonlyMap<string, string> = new Map([
  ['bin/load.ts', 'reads the command itself, before there is a lib'],
  ['lib/base/files/gate.ts', 'is the gate'],
  ['lib/base/files/io.ts', 'calls the file system behind the gate'],
  ['lib/base/files/files.ts', 'calls the file system behind the gate'],
  ['lib/base/files/places/disks.ts', 'asks about file systems, behind the gate'],
  [
    'lib/base/files/places/user-paths.ts',
    'asks what is at paths of the user, which may lead anywhere',
  ],
  ['lib/base/files/handle.ts', 'is an open file below the gate'],
  ['lib/base/files/small-files.ts', 'reads many small files at once, behind the gate'],
  ['lib/base/files/temporary.ts', 'makes and removes whole folders, behind the gate'],
  ['lib/base/files/process.ts', 'reads files of the system below /proc'],
  ['lib/base/files/processes/process-tree.ts', 'reads files of the system below /proc'],
  ['lib/base/files/processes/program.ts', 'looks for programs wherever PATH leads'],
  ['lib/base/files/watch.ts', 'hears of changes in folders'],
  ['lib/base/files/hold-file.ts', 'gives files second names, behind the gate'],
  ['lib/base/native/kernel.ts', 'loads the WebAssembly that lies beside the code'],
  ['lib/cli/run.ts', 'looks whether the folder of -C exists'],
  ['lib/cli/output/stdio.ts', 'asks whether a stream of the process may be a terminal'],
  ['lib/cli/docs.ts', 'writes a page of the documentation when a developer runs it'],
]);

/** Problems of one file of lib/ or bin/: it calls the file system and is not in the table. */
export function checkFileAccess(file: string, source: string): string[] {
  const uses = parseImports(source).some((name) => /^(node:)?fs(\/|$)/.test(name));
  if (uses === FILE_ACCESS.has(file)) return [];
  return [
    uses
      ? `${file}: calls the file system itself; use lib/base/files/files.ts`
      : `${file}: may call the file system and does not; take it out of FILE_ACCESS`,
  ];
}
