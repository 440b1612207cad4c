/** Blobs in memory, checked on reading as a repository checks them; counts what is written. */
import { type BlobKind, type Id, objectId, sha256Hex } from '../../../../lib/base/bytes/hash.js';
import { CorruptError, NotFoundError } from '../../../../lib/base/errors.js';
import type { BlobReader, BlobWriter } from '../../../../lib/storage/repo/version/blobs.js';
import type { FileEntry } from '../../../../lib/storage/repo/version/file-page.js';
import type { Version } from '../../../../lib/storage/repo/version/version.js';

export class MemoryBlobs implements BlobReader, BlobWriter {
  readonly blobs = new Map<string, Uint8Array>();
  readonly bases: (Id | undefined)[] = [];
  reads = 0;

  async writeBlob(kind: BlobKind, bytes: Uint8Array, base?: Id): Promise<Id> {
    const id = objectId(kind, bytes);
    this.blobs.set(id, bytes.slice());
    this.bases.push(base);
    return id;
  }

  async readBlob(id: Id, kind: BlobKind): Promise<Uint8Array> {
    this.reads++;
    const bytes = this.blobs.get(id);
    if (bytes === undefined) throw new NotFoundError(`no blob ${id}`);
    if (objectId(kind, bytes) !== id) throw new CorruptError(`blob ${id} is damaged`);
    return bytes;
  }
}

/** An id made of a text. */
export function idOf(text: string): Id {
  return objectId('blob', Buffer.from(text));
}

/** A file entry whose hashes come from its path and `content`. */
export function fileEntry(path: string, content = ''): FileEntry {
  return {
    path,
    mode: 0o644,
    size: content.length,
    sha256: sha256Hex(content),
    gitSha1: sha256Hex(`git ${content}`).slice(0, 40),
    recipe: { kind: 'recipe', id: idOf(`${path} ${content}`) },
  };
}

/** A small version; `fields` replace what is given. */
export function makeVersion(fields: Partial<Version> = {}): Version {
  return {
    model: 'mnist',
    parents: [],
    author: { name: 'Ada', email: 'ada@example.org' },
    time: 1_760_000_000_000,
    tzMinutes: 120,
    message: 'first weights\n',
    tree: { count: 0, bytes: 0, snapshotCount: 0, inline: { files: [], snapshots: [] }, pages: [] },
    params: [],
    metrics: [],
    logs: [],
    network: null,
    git: null,
    number: null,
    extensions: [],
    ...fields,
  };
}
