/** What a collection asks of a bucket, and nothing else: lists, removals, uploads that nobody ended. */
import { RemoteError } from '../../../../base/errors.js';
import type { HttpAnswer } from '../http-answer.js';
import type { RemoteObject, TransferOptions, TransportUpkeep } from '../transport.js';
import type { S3Client } from './s3-client.js';
import { elementOf } from './s3-errors.js';

/** A page holds a thousand keys. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
const PAGES_MAX = 1_000_000;

export class S3Upkeep implements TransportUpkeep {
  readonly #client: S3Client;

  constructor(client: S3Client) {
    this.#client = client;
  }

  async now({ signal }: TransferOptions = {}): Promise<number> {
    const query = { 'list-type': '2', 'max-keys': '1', prefix: this.#client.keyPrefix };
    const date = await this.#client.send(
      { method: 'GET', name: '', query },
      async (answer) => {
        await this.#page(answer);
        return Date.parse(answer.headers.date ?? '');
      },
      signal,
    );
    if (!Number.isNaN(date)) return date;
    // The clock here may be an hour off that of whoever noted the garbage.
    throw new RemoteError(`'${this.#client.shown}' does not say what time it is there`, {
      url: this.#client.shown,
      hint: "let answers of the endpoint have their 'Date': garbage is kept for a time by that clock",
    });
  }

  async list(folder: 'packs' | 'lists', options: TransferOptions = {}): Promise<RemoteObject[]> {
    const { keyPrefix } = this.#client;
    const query = { 'list-type': '2', prefix: `${keyPrefix}${folder}/` };
    const found: RemoteObject[] = [];
    for await (const xml of this.#pages(query, options)) {
      for (const [row] of xml.matchAll(/<Contents>.*?<\/Contents>/gs)) {
        const name = (elementOf(row, 'Key') ?? '').slice(keyPrefix.length);
        const modifiedMs = Date.parse(elementOf(row, 'LastModified') ?? '');
        // Names that nobody of ours gives are left alone.
        if (!/^[a-z]+\/[0-9a-f]+(\.[a-z]+)?$/.test(name) || Number.isNaN(modifiedMs)) continue;
        found.push({ name, bytes: Number(elementOf(row, 'Size')), modifiedMs });
      }
    }
    return found;
  }

  async *#pages(
    query: Readonly<Record<string, string>>,
    { signal }: TransferOptions,
  ): AsyncGenerator<string> {
    let token: string | null = null;
    for (let page = 0; page < PAGES_MAX; page++) {
      const more: Record<string, string> = token === null ? {} : { 'continuation-token': token };
      const xml: string = await this.#client.send(
        { method: 'GET', name: '', query: { ...query, ...more } },
        (answer) => this.#page(answer),
        signal,
      );
      yield xml;
      token = elementOf(xml, 'NextContinuationToken');
      if (elementOf(xml, 'IsTruncated') !== 'true' || token === null) return;
    }
  }

  async #page(answer: HttpAnswer): Promise<string> {
    if (answer.status !== 200) throw await this.#client.refusal(answer);
    return Buffer.from(await answer.all(PAGE_BYTES_MAX)).toString('utf8');
  }

  remove(name: string, options: TransferOptions = {}): Promise<void> {
    return this.#delete(name, {}, options);
  }

  async #delete(
    name: string,
    query: Readonly<Record<string, string>>,
    { signal }: TransferOptions,
  ): Promise<void> {
    await this.#client.send(
      { method: 'DELETE', name, query },
      async (answer) => {
        if (![200, 204, 404].includes(answer.status)) throw await this.#client.refusal(answer);
        answer.drop();
      },
      signal,
    );
  }

  async removeUnfinished(
    beforeMs: number,
    options: TransferOptions & { dryRun?: boolean } = {},
  ): Promise<number> {
    const { keyPrefix } = this.#client;
    const query = { uploads: '', prefix: `${keyPrefix}packs/` };
    const xml = await this.#client.send(
      { method: 'GET', name: '', query },
      (answer) => this.#page(answer),
      options.signal,
    );
    let bytes = 0;
    for (const [row] of xml.matchAll(/<Upload>.*?<\/Upload>/gs)) {
      const name = (elementOf(row, 'Key') ?? '').slice(keyPrefix.length);
      const uploadId = elementOf(row, 'UploadId');
      const begun = Date.parse(elementOf(row, 'Initiated') ?? '');
      if (!/^packs\/[0-9a-f]+\.[a-z]+$/.test(name) || uploadId === null) continue;
      if (Number.isNaN(begun) || begun >= beforeMs) continue;
      bytes += await this.#partBytes(name, uploadId, options);
      if (options.dryRun !== true) await this.#delete(name, { uploadId }, options);
    }
    return bytes;
  }

  async #partBytes(name: string, uploadId: string, { signal }: TransferOptions): Promise<number> {
    const xml = await this.#client.send(
      { method: 'GET', name, query: { uploadId } },
      (answer) => this.#page(answer),
      signal,
    );
    const sizes = [...xml.matchAll(/<Size>(\d{1,15})<\/Size>/g)].map(([, size]) => Number(size));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    if (Number.isSafeInteger(bytes)) return bytes;
    throw new RemoteError(`'${this.#client.shown}' gives sizes that no upload has`, {
      url: this.#client.shown,
      hint: 'check the endpoint of the bucket',
    });
  }
}
