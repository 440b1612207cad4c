/**
 * A remote in a bucket of Amazon S3, or of a store that speaks like it.
 *
 * Objects that never change are written once, with `If-None-Match: *`, large ones in parts; `remote` and `format` are
 * swapped with `If-Match`. A store that ignores these conditions takes no push: `proveSwaps` finds out.
 */
import { type DlvError, RemoteError } from '../../../../base/errors.js';
import { type HttpAnswer, PassingError, smallBody } from '../http-answer.js';
import type { LineOptions } from '../http-client.js';
import { checkObject, missingObject } from '../object-there.js';
import { readRange } from '../ranged-read.js';
import type {
  ByteRange,
  Loaded,
  StoreOptions,
  Traffic,
  TransferOptions,
  Transport,
  TransportUpkeep,
  UploadSource,
} from '../transport.js';
import { readAwsSettings } from './aws-profile.js';
import { parseS3Address } from './s3-address.js';
import { S3Client } from './s3-client.js';
import { noConditionsError, readRefusal, s3Error } from './s3-errors.js';
import { S3Upkeep } from './s3-upkeep.js';
import { PART_BYTES, PartUpload, type UploadMemory, usualEtag } from './s3-upload.js';
import { turns } from './turns.js';

/** A smaller object is sent without a look whether it is there. */
const LOOK_BYTES = 64 * 1024;
/** Bodies that are in memory at once. */
const BODIES = 4;
const BODIES_MAX = 8;

export interface S3Options extends LineOptions {
  memory?: UploadMemory | null;
}

/** How a conditional write ended. */
type Written = { tag: string } | 'refused' | 'unsupported';

export class S3Transport implements Transport {
  readonly shown: string;
  readonly traffic: Traffic;
  readonly isWritable = true;
  readonly concurrency: number;
  readonly #client: S3Client;
  readonly #memory: UploadMemory | null;
  readonly #turn: <T>(action: () => Promise<T>) => Promise<T>;

  private constructor(client: S3Client, traffic: Traffic, options: S3Options) {
    this.traffic = traffic;
    this.#client = client;
    this.shown = client.shown;
    this.#memory = options.memory ?? null;
    this.concurrency = Math.min(BODIES_MAX, options.connections ?? BODIES);
    this.#turn = turns(this.concurrency);
  }

  /** @param url  s3://bucket/prefix. @throws {UsageError} {RemoteError} */
  static async open(url: string, options: S3Options = {}): Promise<S3Transport> {
    const address = parseS3Address(url);
    const settings = await readAwsSettings(options.env);
    const traffic = { requests: 0, receivedBytes: 0, sentBytes: 0 };
    const client = new S3Client(address, settings, { ...options, traffic });
    return new S3Transport(client, traffic, options);
  }

  async load(
    name: string,
    maxBytes: number,
    { signal }: TransferOptions = {},
  ): Promise<Loaded | null> {
    return this.#client.send(
      { method: 'GET', name },
      async (answer) => {
        if (answer.status !== 200) return this.#absent(answer);
        const bytes = await smallBody(answer, { name, shown: this.shown, maxBytes });
        return { bytes, tag: this.#tagOf(answer) };
      },
      signal,
    );
  }

  /** Null for an answer that says that there is no such object. @throws {RemoteError} */
  async #absent(answer: HttpAnswer): Promise<null> {
    const refusal = await readRefusal(answer);
    if (refusal.status === 404 && refusal.code !== 'NoSuchBucket') return null;
    throw s3Error(this.shown, refusal);
  }

  #tagOf({ headers }: HttpAnswer): string {
    const { etag } = headers;
    if (typeof etag === 'string' && etag !== '') return etag;
    throw new RemoteError(`'${this.shown}' gives objects no ETag`, {
      url: this.shown,
      hint: 'check the endpoint of the bucket',
    });
  }

  read(
    name: string,
    range: ByteRange,
    take: (bytes: Uint8Array) => Promise<void>,
    options: TransferOptions = {},
  ): Promise<void> {
    const { shown } = this;
    const refusal = async (answer: HttpAnswer): Promise<Error> => {
      try {
        await this.#absent(answer);
        return missingObject(shown, name);
      } catch (error) {
        return error as DlvError;
      }
    };
    const object = {
      client: this.#client.http,
      shown,
      name,
      url: this.#client.urlOf(name),
      refusal,
    };
    return readRange(object, range, take, options);
  }

  async store(name: string, source: UploadSource, options: StoreOptions = {}): Promise<void> {
    const { signal, onBytes, isNew = false } = options;
    const isLooked = !isNew && source.size > LOOK_BYTES;
    if (isLooked && (await this.#isThere(name, source, options))) {
      if (source.size > PART_BYTES) await this.#upload(name, source, options).abandon();
      return;
    }
    if (source.size <= PART_BYTES) {
      const written = await this.#turn(async () => {
        const bytes = await source.read(0, source.size);
        return this.#put(name, bytes, { 'if-none-match': '*' }, signal);
      });
      if (written === 'unsupported') throw noConditionsError(this.shown);
      if (written === 'refused') await this.#checkThere(name, source, signal);
      onBytes?.(source.size);
      return;
    }
    for (let attempt = 1; ; attempt++) {
      const end = await this.#upload(name, source, options).run(this.concurrency);
      if (end === 'stored') return;
      if (end === 'there') return this.#checkThere(name, source, signal);
      if (await this.#isThere(name, source, signal ? { signal } : {})) return;
      if (attempt === 3) throw missingObject(this.shown, name);
    }
  }

  #upload(name: string, source: UploadSource, options: TransferOptions): PartUpload {
    const ends = { client: this.#client, memory: this.#memory };
    return new PartUpload(ends, { name, source }, { ...options, turn: this.#turn });
  }

  async #checkThere(name: string, source: UploadSource, signal?: AbortSignal): Promise<void> {
    if (await this.#isThere(name, source, signal ? { signal } : {})) return;
    throw missingObject(this.shown, name);
  }

  /**
   * True if an object is there. Most often its ETag tells that its bytes are the same; else it is read.
   * @throws {RemoteError} if they are others.
   */
  async #isThere(name: string, source: UploadSource, options: TransferOptions): Promise<boolean> {
    const { signal, onBytes } = options;
    const there = await this.#client.send(
      { method: 'HEAD', name },
      async (answer) => {
        answer.drop();
        if (answer.status === 404) return null;
        if (answer.status !== 200) throw s3Error(this.shown, { status: answer.status, code: '' });
        const { etag, 'content-length': length } = answer.headers;
        return { etag, bytes: Number(length ?? Number.NaN) };
      },
      signal,
    );
    if (there === null) return false;
    if (there.bytes === source.size && there.etag === (await usualEtag(source, signal))) {
      onBytes?.(source.size);
    } else {
      await checkObject(this, { name, bytes: there.bytes }, source, options);
    }
    return true;
  }

  async swap(
    name: string,
    bytes: Uint8Array,
    tag: string | null,
    { signal }: TransferOptions = {},
  ): Promise<string | null> {
    const condition: Record<string, string> =
      tag === null ? { 'if-none-match': '*' } : { 'if-match': tag };
    const written = await this.#put(name, bytes, condition, signal);
    if (written === 'unsupported') throw noConditionsError(this.shown);
    return written === 'refused' ? null : written.tag;
  }

  /**
   * Asks the store to replace an object under conditions that do not hold. It is given the bytes that it has, so that
   * nothing is lost where it does so.
   * @throws {RemoteError} if it does.
   */
  async proveSwaps(name: string, bytes: Uint8Array, options: TransferOptions = {}): Promise<void> {
    const conditions: Record<string, string>[] = [
      { 'if-none-match': '*' },
      { 'if-match': `"${'0'.repeat(32)}"` },
    ];
    const { signal } = options;
    const ends = await Promise.all(conditions.map((one) => this.#put(name, bytes, one, signal)));
    if (ends.some((end) => end !== 'refused')) throw noConditionsError(this.shown);
  }

  async #put(
    name: string,
    body: Uint8Array,
    condition: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<Written> {
    return this.#client.send(
      { method: 'PUT', name, body, headers: condition },
      async (answer): Promise<Written> => {
        const { status } = answer;
        if (status === 200) {
          answer.drop();
          return { tag: this.#tagOf(answer) };
        }
        const refusal = await readRefusal(answer);
        if (refusal.code === 'NoSuchBucket') throw s3Error(this.shown, refusal);
        // 404: what shall be replaced is gone. 409: somebody writes it at this moment.
        if (status === 412 || status === 404) return 'refused';
        if (status === 409 && 'if-match' in condition) return 'refused';
        if (status === 409) throw new PassingError(s3Error(this.shown, refusal));
        if (status === 501 || refusal.code === 'NotImplemented') return 'unsupported';
        const error = s3Error(this.shown, refusal);
        if (['RequestTimeout', 'SlowDown'].includes(refusal.code)) throw new PassingError(error);
        throw error;
      },
      signal,
    );
  }

  get upkeep(): TransportUpkeep {
    return new S3Upkeep(this.#client);
  }

  async close(): Promise<void> {
    this.#client.close();
  }
}
