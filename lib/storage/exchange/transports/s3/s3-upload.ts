/**
 * Uploads one large object in parts. Nothing is visible before the last request; an upload that was interrupted is
 * continued with the parts that the store has.
 */
import { createHash } from 'node:crypto';
import { throwIfAborted } from '../../../../base/bytes/abort.js';
import { forEachLimit } from '../../../../base/bytes/for-each-limit.js';
import { RemoteError } from '../../../../base/errors.js';
import { TRANSFER_PIECE_BYTES } from '../../../../base/limits.js';
import type { HttpAnswer } from '../http-answer.js';
import { PassingError } from '../http-answer.js';
import type { TransferOptions, UploadSource } from '../transport.js';
import type { S3Client } from './s3-client.js';
import { elementOf, readRefusal, s3Error } from './s3-errors.js';

/** Objects above this are uploaded in parts of this size, the last one excepted. */
export const PART_BYTES = 16 * 1024 * 1024;
/** A store takes 10,000 parts. */
const PARTS_MAX = 9000;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** An upload that has begun. */
export interface BegunUpload {
  readonly id: string;
  readonly partBytes: number;
}

/** Remembers uploads that have begun, from one run to the next. */
export interface UploadMemory {
  /** @param key  tells objects of different stores apart. */
  begun(key: string): Promise<BegunUpload | null>;
  keepBegun(key: string, upload: BegunUpload | null): Promise<void>;
}

interface Part {
  readonly etag: string;
  readonly bytes: number;
}

/** What the last request of an upload found. */
export type UploadEnd = 'stored' | 'there' | 'lost';

export class PartUpload {
  readonly #client: S3Client;
  readonly #memory: UploadMemory | null;
  readonly #name: string;
  readonly #source: UploadSource;
  readonly #options: TransferOptions;
  /** Lets few parts be in memory at once, of all uploads together. */
  readonly #turn: <T>(action: () => Promise<T>) => Promise<T>;

  constructor(
    ends: { client: S3Client; memory: UploadMemory | null },
    what: { name: string; source: UploadSource },
    options: TransferOptions & { turn: <T>(action: () => Promise<T>) => Promise<T> },
  ) {
    this.#client = ends.client;
    this.#memory = ends.memory;
    this.#name = what.name;
    this.#source = what.source;
    this.#options = options;
    this.#turn = options.turn;
  }

  get #key(): string {
    return this.#client.urlOf(this.#name).href;
  }

  /** @returns how it ended; 'lost': the store has forgotten the upload. */
  async run(concurrency: number): Promise<UploadEnd> {
    const { size } = this.#source;
    const begun = await this.#memory?.begun(this.#key);
    const known = begun ? await this.#parts(begun) : null;
    const upload = begun && known ? begun : await this.#begin(size);
    const parts = known ?? new Map<number, Part>();
    const { partBytes } = upload;
    const numbers = Array.from({ length: Math.ceil(size / partBytes) }, (_, i) => i + 1);
    const missing = numbers.filter((number) => {
      const bytes = Math.min(partBytes, size - (number - 1) * partBytes);
      const isThere = parts.get(number)?.bytes === bytes;
      if (isThere) this.#options.onBytes?.(bytes);
      return !isThere;
    });
    await forEachLimit(missing, concurrency, (number) =>
      this.#turn(async () => {
        parts.set(number, await this.#sendPart(upload, number));
      }),
    );
    const end = await this.#complete(
      upload,
      numbers.map((number) => parts.get(number) as Part),
    );
    await this.#memory?.keepBegun(this.#key, null);
    return end;
  }

  async #begin(size: number): Promise<BegunUpload> {
    const request = { method: 'POST', name: this.#name, query: { uploads: '' } } as const;
    const id = await this.#ask(request, (answer) => this.#text(answer, 'UploadId'));
    if (id === null || id === '') throw this.#nonsense();
    const upload = { id, partBytes: partBytesOf(size) };
    await this.#memory?.keepBegun(this.#key, upload);
    return upload;
  }

  /** The parts that the store has; null if it knows the upload no more. */
  async #parts(upload: BegunUpload): Promise<Map<number, Part> | null> {
    const parts = new Map<number, Part>();
    for (let after = '0'; ; ) {
      const query = { uploadId: upload.id, 'part-number-marker': after };
      const text = await this.#ask({ method: 'GET', name: this.#name, query }, async (answer) => {
        if (answer.status === 404) {
          answer.drop();
          return null;
        }
        return this.#body(answer);
      });
      if (text === null) return null;
      for (const [part] of text.matchAll(/<Part>.*?<\/Part>/gs)) {
        const [number, bytes] = [elementOf(part, 'PartNumber'), elementOf(part, 'Size')];
        const etag = elementOf(part, 'ETag');
        if (etag !== null) parts.set(Number(number), { etag, bytes: Number(bytes) });
      }
      const next = elementOf(text, 'NextPartNumberMarker');
      if (elementOf(text, 'IsTruncated') !== 'true' || !next || next === after) return parts;
      after = next;
    }
  }

  async #sendPart({ id, partBytes }: BegunUpload, number: number): Promise<Part> {
    const { signal, onBytes } = this.#options;
    const start = (number - 1) * partBytes;
    const body = await this.#source.read(start, Math.min(partBytes, this.#source.size - start));
    const query = { partNumber: String(number), uploadId: id };
    const etag = await this.#client.send(
      { method: 'PUT', name: this.#name, query, body },
      async (answer) => {
        if (answer.status !== 200) throw await this.#client.refusal(answer);
        answer.drop();
        return answer.headers.etag ?? null;
      },
      signal,
    );
    if (etag === null) throw this.#nonsense();
    onBytes?.(body.length);
    return { etag, bytes: body.length };
  }

  async #complete({ id }: BegunUpload, parts: readonly Part[]): Promise<UploadEnd> {
    const rows = parts.map(
      ({ etag }, i) =>
        `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
    );
    const xml = `<CompleteMultipartUpload>${rows.join('')}</CompleteMultipartUpload>`;
    const request = {
      method: 'POST',
      name: this.#name,
      query: { uploadId: id },
      headers: { 'content-type': 'application/xml', 'if-none-match': '*' },
      body: Buffer.from(xml),
    } as const;
    return this.#ask(request, async (answer): Promise<UploadEnd> => {
      if (answer.status === 200) {
        // It says 200 before it knows.
        const text = Buffer.from(await answer.all(ANSWER_BYTES_MAX)).toString('utf8');
        if (text.includes('CompleteMultipartUploadResult')) return 'stored';
        throw new PassingError(s3Error(this.#client.shown, { status: 500, code: '' }));
      }
      if (answer.status === 412) {
        answer.drop();
        return 'there';
      }
      const refusal = await readRefusal(answer);
      // The answer to an attempt before this one may have been lost.
      if (refusal.status === 404 && refusal.code !== 'NoSuchBucket') return 'lost';
      const error = s3Error(this.#client.shown, refusal);
      if (refusal.status === 409) throw new PassingError(error);
      throw error;
    });
  }

  /** Gives up an upload that is not needed. */
  async abandon(): Promise<void> {
    const begun = await this.#memory?.begun(this.#key);
    if (!begun) return;
    await this.#ask(
      { method: 'DELETE', name: this.#name, query: { uploadId: begun.id } },
      async (answer) => answer.drop(),
    );
    await this.#memory?.keepBegun(this.#key, null);
  }

  #ask<T>(
    request: Parameters<S3Client['send']>[0],
    handle: (answer: HttpAnswer) => Promise<T>,
  ): Promise<T> {
    return this.#client.send(request, handle, this.#options.signal);
  }

  async #body(answer: HttpAnswer): Promise<string> {
    if (answer.status !== 200) throw await this.#client.refusal(answer);
    return Buffer.from(await answer.all(ANSWER_BYTES_MAX)).toString('utf8');
  }

  async #text(answer: HttpAnswer, name: string): Promise<string | null> {
    return elementOf(await this.#body(answer), name);
  }

  #nonsense(): RemoteError {
    const { shown } = this.#client;
    return new RemoteError(`'${shown}' answers as no store for S3 does`, {
      url: shown,
      hint: 'check the endpoint of the bucket',
    });
  }
}

/** Bytes of the parts in which an object of a size is uploaded. */
function partBytesOf(size: number): number {
  const unit = 1024 * 1024;
  return Math.max(PART_BYTES, Math.ceil(size / PARTS_MAX / unit) * unit);
}

/**
 * The ETag that most stores give an object which was uploaded from here: the md5 of its bytes, or that of the md5s of its
 * parts and their number. A store may give another, as Amazon does for objects that it encrypts with keys of a customer.
 */
export async function usualEtag(source: UploadSource, signal?: AbortSignal): Promise<string> {
  const isOne = source.size <= PART_BYTES;
  const sums: Buffer[] = [];
  const partBytes = isOne ? PART_BYTES : partBytesOf(source.size);
  for (let start = 0; start < source.size || sums.length === 0; start += partBytes) {
    const hash = createHash('md5');
    const end = Math.min(source.size, start + partBytes);
    for (let at = start; at < end; at += TRANSFER_PIECE_BYTES) {
      throwIfAborted(signal);
      hash.update(await source.read(at, Math.min(TRANSFER_PIECE_BYTES, end - at)));
    }
    sums.push(hash.digest());
  }
  if (isOne) return `"${(sums[0] as Buffer).toString('hex')}"`;
  const all = createHash('md5').update(Buffer.concat(sums)).digest('hex');
  return `"${all}-${sums.length}"`;
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
