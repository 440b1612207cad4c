/**
 * Makes repositories that lie: state files with right checksums and wrong content, versions and recipes
 * that no dlv would write, stored under their right ids, as a stranger could make them.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { type BlobKind, type Id, sha256 } from '../../../lib/base/bytes/hash.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../lib/base/bytes/msgpack/msgpack.js';
import { seal, unseal } from '../../../lib/base/bytes/sealed.js';
import { Layout } from '../../../lib/storage/repo/layout.js';
import { branchRefName } from '../../../lib/storage/repo/refs/ref-name.js';
import { formatRef, readRef } from '../../../lib/storage/repo/refs/refs.js';
import { Repository } from '../../../lib/use/repository.js';

/** Places in the canonical form of a version, of its tree and of a file in it. */
export const VERSION = { model: 1, parents: 2, author: 3, message: 6, tree: 7, logs: 10 } as const;
export const TREE = { count: 0, bytes: 1, snapshots: 2, page: 3 } as const;
export const FILE = { path: 0, mode: 1, size: 2, sha256: 3, kind: 5, recipe: 6 } as const;

export type Fields = Packed[];

/** The lists of a version: its tree, the files and the snapshots of its only page. */
export interface VersionParts {
  version: Fields;
  tree: Fields;
  files: Fields[];
  snapshots: Fields[];
}

const STAGING_MAGIC = Buffer.from([...Buffer.from('DLVS'), 1, 0, 0, 0]);
const STAGING_SUM_BYTES = 32;

/** A repository of the model m, to be changed by hand. */
export class Forge {
  readonly dir: string;
  readonly layout: Layout;

  constructor(dir: string) {
    this.dir = dir;
    this.layout = new Layout(dir);
  }

  /** A file under .dlv. */
  file(name: string): string {
    return path.join(this.layout.dir, ...name.split('/'));
  }

  /** Writes a file under .dlv, and the folders above it. */
  async write(name: string, content: string | Uint8Array): Promise<void> {
    await fs.mkdir(path.dirname(this.file(name)), { recursive: true });
    await fs.writeFile(this.file(name), content);
  }

  /** Writes sealed text. */
  seal(name: string, text: string): Promise<void> {
    return this.write(name, seal(text));
  }

  /** Changes sealed text. */
  async reseal(name: string, change: (text: string) => string): Promise<void> {
    await this.seal(name, change(unseal(await fs.readFile(this.file(name)), name)));
  }

  /** Puts something that is not a file in the place of one. */
  async replace(name: string, make: (file: string) => Promise<unknown>): Promise<void> {
    const file = this.file(name);
    await fs.rm(file, { recursive: true, force: true });
    await fs.mkdir(path.dirname(file), { recursive: true });
    await make(file);
  }

  /** Stores bytes as a blob, whatever they are. */
  async plant(kind: BlobKind, bytes: Uint8Array): Promise<Id> {
    const repo = await Repository.open(this.dir);
    try {
      const session = repo.session();
      const id = await session.putBlob(kind, bytes);
      await session.flush();
      return id;
    } finally {
      await repo.close();
    }
  }

  /** Bytes of a blob. */
  async blob(id: Id, kind: BlobKind): Promise<Uint8Array> {
    const repo = await Repository.open(this.dir);
    try {
      return await repo.readBlob(id, kind);
    } finally {
      await repo.close();
    }
  }

  /** The version that the branch main of m names. */
  async tip(): Promise<Id> {
    return (await readRef(this.layout, branchRefName('m', 'main'))) as Id;
  }

  /** Lets the branch main of m name an id. */
  point(id: Id): Promise<void> {
    return this.seal(branchRefName('m', 'main'), formatRef(id));
  }

  /** Puts a changed copy of the tip in its place. */
  async version(change: (parts: VersionParts) => unknown): Promise<void> {
    const bytes = await this.blob(await this.tip(), 'version');
    const version = decodeCanonical(bytes, 'version') as Fields;
    const tree = version[VERSION.tree] as Fields;
    const [, files, snapshots] = tree[TREE.page] as [Packed, Fields[], Fields[]];
    await change({ version, tree, files, snapshots });
    await this.point(await this.plant('version', encodeCanonical(version)));
  }

  /** As version(), with the totals of the tree made right. */
  versionOfFiles(change: (parts: VersionParts) => unknown): Promise<void> {
    return this.version(async (parts) => {
      await change(parts);
      const { tree, files, snapshots } = parts;
      files.sort((a, b) => (a[FILE.path]! < b[FILE.path]! ? -1 : 1));
      tree[TREE.count] = files.length;
      tree[TREE.bytes] = files.reduce((sum, file) => sum + (file[FILE.size] as number), 0);
      tree[TREE.snapshots] = snapshots.length;
    });
  }

  /** Changes what is staged: a list of models. */
  async staging(change: (models: Fields[]) => unknown): Promise<void> {
    const bytes = await fs.readFile(this.layout.staging);
    const body = bytes.subarray(STAGING_MAGIC.length, bytes.length - STAGING_SUM_BYTES);
    const models = decodeCanonical(body, 'staging') as Fields[];
    await change(models);
    await this.stagingBytes(encodeCanonical(models));
  }

  /** Writes a staging file with a right sum over any bytes. */
  async stagingBytes(body: Uint8Array): Promise<void> {
    const whole = Buffer.concat([STAGING_MAGIC, body]);
    await this.write('staging', Buffer.concat([whole, sha256().update(whole).digest()]));
  }
}
