/**
 * A disk that forgets: what a file system may hold after a power cut, given the calls that were made.
 *
 * Files and names are apart, as on a disk: a folder maps names to nodes, a file that is renamed keeps
 * its bytes. Each change of names waits until one of its folders is synced, each write until its file
 * is. Only regular calls are known: what a command does beyond them, the recording would miss, so the
 * last state is compared with the real one.
 */

import type { Tree } from '../../helpers/tree.js';
import type { Call } from '../libc/calls.js';

interface FileNode {
  kind: 'file';
  live: Buffer;
  synced: Buffer;
  /** Since the file was synced. */
  writes: { offset: number; data: Buffer }[];
}

interface FolderNode {
  kind: 'folder';
  live: Map<string, Node>;
  /** The names whose last change is on the disk, renames as a whole. */
  durable: Map<string, Node>;
  /** The names as they were when the folder itself was synced. */
  strict: Map<string, Node>;
}

type Node = FileNode | FolderNode;

/** One change of a name; null takes it away. A rename is two that belong together. */
interface Change {
  folder: FolderNode;
  name: string;
  node: Node | null;
}

/** Changes of names that no sync has made durable. */
interface Pending {
  call: Call;
  changes: Change[];
}

/** Which bytes of a file that was not synced are there. */
export const CONTENTS = ['live', 'synced', 'zeroed', 'halved'] as const;
export type Content = (typeof CONTENTS)[number];

/** Which changes of names are there: all, none, as each folder was synced, one alone, all but one. */
export type Names = 'all' | 'none' | 'strict' | { only: number } | { without: number };

function newFolder(): FolderNode {
  return { kind: 'folder', live: new Map(), durable: new Map(), strict: new Map() };
}

function overwrite(bytes: Buffer, offset: number, data: Buffer): Buffer {
  const longer = Buffer.alloc(Math.max(bytes.length, offset + data.length));
  bytes.copy(longer);
  data.copy(longer, offset);
  return longer;
}

/** The bytes of a file after the cut. */
function contentOf(file: FileNode, content: Content): Buffer {
  if (content === 'live' || file.writes.length === 0) {
    return content === 'live' ? file.live : file.synced;
  }
  if (content === 'synced') return file.synced;
  let bytes = file.synced;
  if (content === 'zeroed') {
    for (const { offset, data } of file.writes) {
      bytes = overwrite(bytes, offset, Buffer.alloc(data.length));
    }
    return bytes;
  }
  let left = file.writes.reduce((sum, { data }) => sum + data.length, 0) >> 1;
  for (const { offset, data } of file.writes) {
    const part = data.subarray(0, left);
    if (part.length > 0) bytes = overwrite(bytes, offset, part);
    left -= part.length;
  }
  return bytes;
}

/** The disk under one work tree. */
export class Disk {
  readonly #root = newFolder();
  readonly #open = new Map<number, Node>();
  #pending: Pending[] = [];

  /** @param tree what was there, and durable, before the first call. */
  constructor(tree: Tree) {
    for (const [name, bytes] of tree) {
      const node: Node =
        bytes === null ? newFolder() : { kind: 'file', live: bytes, synced: bytes, writes: [] };
      const { folder, last } = this.#locate(name);
      for (const names of [folder.live, folder.durable, folder.strict]) names.set(last, node);
    }
  }

  /** Changes of names that wait for a sync. */
  get pending(): readonly Pending[] {
    return this.#pending;
  }

  #find(name: string): Node {
    let node: Node = this.#root;
    for (const part of name === '' ? [] : name.split('/')) {
      const next: Node | undefined = node.kind === 'folder' ? node.live.get(part) : undefined;
      if (next === undefined) throw new Error(`the recording never made '${name}'`);
      node = next;
    }
    return node;
  }

  #locate(name: string): { folder: FolderNode; last: string } {
    const parts = name.split('/');
    const last = parts.pop() as string;
    const folder = this.#find(parts.join('/'));
    if (folder.kind !== 'folder') throw new Error(`'${name}' lies in a file`);
    return { folder, last };
  }

  #change(call: Call, ...wanted: [name: string, node: Node | null][]): void {
    const changes = wanted.map(([name, node]): Change => {
      const { folder, last } = this.#locate(name);
      if (node === null) folder.live.delete(last);
      else folder.live.set(last, node);
      return { folder, name: last, node };
    });
    this.#pending.push({ call, changes });
  }

  /** Makes one call. */
  apply(call: Call): void {
    switch (call.op) {
      case 'open':
        if (call.created) {
          const made: FileNode = {
            kind: 'file',
            live: Buffer.alloc(0),
            synced: Buffer.alloc(0),
            writes: [],
          };
          this.#change(call, [call.path, made]);
        }
        this.#open.set(call.fd, this.#find(call.path));
        if (call.truncated && !call.created) this.#resize(call.fd, 0);
        return;
      case 'write': {
        const file = this.#file(call.fd);
        file.live = overwrite(file.live, call.offset, call.data);
        file.writes.push(call);
        return;
      }
      case 'truncate':
        this.#resize(call.fd, call.size);
        return;
      case 'fsync':
        this.#sync(this.#open.get(call.fd) as Node);
        return;
      case 'rename':
        this.#change(call, [call.to, this.#find(call.from)], [call.from, null]);
        return;
      case 'link':
        this.#change(call, [call.to, this.#find(call.from)]);
        return;
      case 'mkdir':
        this.#change(call, [call.path, newFolder()]);
        return;
      case 'unlink':
      case 'rmdir':
        this.#change(call, [call.path, null]);
        return;
      case 'symlink':
        throw new Error(`no command makes a symbolic link, this one did: '${call.to}'`);
      case 'stdout':
    }
  }

  #file(fd: number): FileNode {
    const node = this.#open.get(fd);
    if (node?.kind !== 'file') throw new Error(`the recording never opened descriptor ${fd}`);
    return node;
  }

  /** A new size counts as a write of what is then there. */
  #resize(fd: number, size: number): void {
    const file = this.#file(fd);
    const live = Buffer.alloc(size);
    file.live.copy(live);
    file.live = live;
    file.synced = Buffer.from(file.synced.subarray(0, size));
    file.writes = file.writes.filter(({ offset }) => offset < size);
  }

  #sync(node: Node): void {
    if (node.kind === 'file') {
      node.synced = node.live;
      node.writes = [];
      return;
    }
    node.strict = new Map(node.live);
    // A change that is on the disk takes earlier ones of the same names with it.
    const taken = (change: Change) => change.folder === node;
    const names = new Map<FolderNode, Set<string>>();
    const left: Pending[] = [];
    const durable: Pending[] = [];
    for (const pending of [...this.#pending].reverse()) {
      const isTaken = pending.changes.some(
        (change) => taken(change) || names.get(change.folder)?.has(change.name),
      );
      if (!isTaken) {
        left.unshift(pending);
        continue;
      }
      durable.unshift(pending);
      for (const { folder, name } of pending.changes) {
        const known = names.get(folder) ?? new Set();
        names.set(folder, known.add(name));
      }
    }
    for (const { changes } of durable) {
      for (const { folder, name, node: target } of changes) {
        if (target === null) folder.durable.delete(name);
        else folder.durable.set(name, target);
      }
    }
    this.#pending = left;
  }

  /** What is left if the power goes now. */
  tree(names: Names, content: Content): Tree {
    const overlay = new Map<FolderNode, Map<string, Node>>();
    const chosen =
      names === 'all'
        ? this.#pending
        : typeof names === 'string'
          ? []
          : this.#pending.filter((_, i) =>
              'only' in names ? i === names.only : i !== names.without,
            );
    for (const { changes } of chosen) {
      for (const { folder, name, node } of changes) {
        const now = overlay.get(folder) ?? new Map(folder.durable);
        overlay.set(folder, now);
        if (node === null) now.delete(name);
        else now.set(name, node);
      }
    }
    const tree: Tree = new Map();
    const walk = (folder: FolderNode, prefix: string): void => {
      const entries = names === 'strict' ? folder.strict : (overlay.get(folder) ?? folder.durable);
      for (const [name, node] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
        tree.set(prefix + name, node.kind === 'file' ? contentOf(node, content) : null);
        if (node.kind === 'folder') walk(node, `${prefix}${name}/`);
      }
    };
    walk(this.#root, '');
    return tree;
  }
}
