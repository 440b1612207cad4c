/**
 * The disk that forgets, by hand: what may be left of a file that is replaced with and without syncs.
 * A command that leaves a sync out has to be caught, so the states of such a one are counted here.
 */
import test from 'ava';
import type { Tree } from '../../helpers/tree.js';
import type { Call } from '../libc/calls.js';
import { Disk } from './disk.js';
import { crashStates } from './replay.js';

const BEFORE: Tree = new Map([
  ['dir', null],
  ['dir/file', Buffer.from('old')],
]);

/** Replaces dir/file by a temporary file and a rename, with or without the two syncs. */
function replaceFile(syncs: { file: boolean; folder: boolean }): Call[] {
  const calls: (Call | false)[] = [
    { op: 'open', fd: 3, path: 'dir/new', created: true, truncated: false },
    { op: 'write', fd: 3, offset: 0, data: Buffer.from('ne') },
    { op: 'write', fd: 3, offset: 2, data: Buffer.from('w!') },
    syncs.file && { op: 'fsync', fd: 3 },
    { op: 'rename', from: 'dir/new', to: 'dir/file' },
    syncs.folder && { op: 'open', fd: 4, path: 'dir', created: false, truncated: false },
    syncs.folder && { op: 'fsync', fd: 4 },
    { op: 'stdout' },
  ];
  return calls.filter((call) => call !== false);
}

/** What dir/file may hold after a power cut, before and after the answer. */
function contents(calls: readonly Call[]): { before: string[]; after: string[] } {
  const found = { before: new Set<string>(), after: new Set<string>() };
  for (const { acknowledged, model, tree } of crashStates(BEFORE, calls).states) {
    if (model === 'kill') continue;
    const text = tree.get('dir/file')?.toString() ?? 'nothing';
    found[acknowledged ? 'after' : 'before'].add(text.replaceAll('\0', '0'));
  }
  return { before: [...found.before].sort(), after: [...found.after].sort() };
}

test('disk: a file that is synced, renamed and made durable is old or new, then new', (t) => {
  t.deepEqual(contents(replaceFile({ file: true, folder: true })), {
    before: ['new!', 'old'],
    after: ['new!'],
  });
});

test('disk: a file that is renamed before it is synced may be empty, zero or cut', (t) => {
  const { before, after } = contents(replaceFile({ file: false, folder: true }));
  t.deepEqual(before, ['', '0000', 'ne', 'new!', 'old']);
  t.deepEqual(after, ['', '0000', 'ne', 'new!']);
});

test('disk: a rename that nothing makes durable may be lost after the answer', (t) => {
  t.deepEqual(contents(replaceFile({ file: true, folder: false })).after, ['new!', 'old']);
});

test('disk: what lies in a new folder is lost with it until the folder above is synced', (t) => {
  const disk = new Disk(new Map([['top', null]]));
  const make: Call[] = [
    { op: 'mkdir', path: 'top/a' },
    { op: 'open', fd: 3, path: 'top/a/file', created: true, truncated: false },
    { op: 'write', fd: 3, offset: 0, data: Buffer.from('x') },
    { op: 'fsync', fd: 3 },
    { op: 'open', fd: 4, path: 'top/a', created: false, truncated: false },
    { op: 'fsync', fd: 4 },
  ];
  for (const call of make) disk.apply(call);
  t.deepEqual([...disk.tree('strict', 'synced').keys()], ['top']);
  disk.apply({ op: 'open', fd: 5, path: 'top', created: false, truncated: false });
  disk.apply({ op: 'fsync', fd: 5 });
  t.deepEqual([...disk.tree('strict', 'synced').keys()], ['top', 'top/a', 'top/a/file']);
});

test('disk: one change of a name is there alone, or missing alone', (t) => {
  const disk = new Disk(new Map([['a', Buffer.from('1')]]));
  disk.apply({ op: 'link', from: 'a', to: 'b' });
  disk.apply({ op: 'rename', from: 'a', to: 'c' });
  disk.apply({ op: 'unlink', path: 'b' });
  const names = (which: Parameters<Disk['tree']>[0]) => [...disk.tree(which, 'live').keys()];
  t.is(disk.pending.length, 3);
  t.deepEqual(names('all'), ['c']);
  t.deepEqual(names('none'), ['a']);
  t.deepEqual(names({ only: 1 }), ['c']);
  t.deepEqual(names({ without: 2 }), ['b', 'c']);
  t.deepEqual(names({ without: 1 }), ['a']);
});

test('disk: a second name keeps its bytes, a rename over it does not change them', (t) => {
  const disk = new Disk(new Map([['a', Buffer.from('1')]]));
  disk.apply({ op: 'link', from: 'a', to: 'b' });
  disk.apply({ op: 'open', fd: 3, path: 'new', created: true, truncated: false });
  disk.apply({ op: 'write', fd: 3, offset: 0, data: Buffer.from('22') });
  disk.apply({ op: 'rename', from: 'new', to: 'a' });
  disk.apply({ op: 'truncate', fd: 3, size: 1 });
  const tree = disk.tree('all', 'live');
  t.is(tree.get('a')?.toString(), '2');
  t.is(tree.get('b')?.toString(), '1');
});
