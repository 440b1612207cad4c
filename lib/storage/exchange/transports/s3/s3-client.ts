/** Signed requests to one bucket: credentials that are renewed, the region that it is in, the clock that it has. */
import { RemoteError } from '../../../../base/errors.js';
import { type HttpAnswer, PassingError } from '../http-answer.js';
import { HttpClient, type HttpRequest, type LineOptions } from '../http-client.js';
import type { Traffic } from '../transport.js';
import type { AwsSettings } from './aws-profile.js';
import { amazonEndpoint, objectUrl, placeOf, type S3Address, type S3Place } from './s3-address.js';
import { readRefusal, s3Error } from './s3-errors.js';
import { type S3Credentials, signS3 } from './s3-signature.js';

/** Credentials are read again this long before they end. */
const RENEW_MS = 60_000;

/** Stores of S3 bear a clock that is wrong by three times as much. */
const SKEW_MS_MAX = 5 * 60_000;

/** A request about an object; an empty name: about the bucket. */
export interface S3Request extends Pick<HttpRequest, 'method' | 'headers' | 'body'> {
  readonly name: string;
  readonly query?: Readonly<Record<string, string>>;
}

export class S3Client {
  readonly shown: string;
  readonly #settings: AwsSettings;
  readonly #http: HttpClient;
  readonly #isAmazon: boolean;
  #place: S3Place;
  #credentials: S3Credentials | null = null;
  /** How far the store's clock is before ours. */
  #skewMs = 0;

  constructor(
    address: S3Address,
    settings: AwsSettings,
    { traffic, ...line }: LineOptions & { traffic: Traffic },
  ) {
    this.shown = address.shown;
    this.#settings = settings;
    this.#place = placeOf(address, settings);
    this.#isAmazon = address.endpoint === null && settings.endpoint === null;
    this.#http = new HttpClient({
      ...line,
      shown: address.shown,
      traffic,
      redirects: false,
      sign: (request) => this.#sign(request),
    });
  }

  /** The URL of an object. */
  urlOf(name: string, query: Readonly<Record<string, string>> = {}): URL {
    const url = objectUrl(this.#place, name);
    // Spaces as %20: '+' would be signed as something else than what is sent.
    url.search = Object.entries(query)
      .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
      .join('&');
    return url;
  }

  /** The part of a key that all objects of the remote begin with. */
  get keyPrefix(): string {
    return this.#place.prefix === '' ? '' : `${this.#place.prefix}/`;
  }

  /**
   * Sends a request; `handle` gets every answer but those that say that the bucket is elsewhere, or that
   * the clock here is wrong: these are tried once more.
   */
  async send<T>(
    { name, query, ...request }: S3Request,
    handle: (answer: HttpAnswer) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const whole: HttpRequest = { ...request, url: this.urlOf(name, query) };
      const again = Symbol();
      // Others that are under way at the same time may learn it first.
      const made = { region: this.#place.region, skewMs: this.#skewMs };
      const result = await this.#http.send<T | typeof again>(
        whole,
        async (answer) => {
          if (attempt > 1 || !(await this.#learns(answer, made))) return handle(answer);
          return again;
        },
        signal,
      );
      if (result !== again) return result as T;
    }
  }

  /**
   * Takes from an answer what the next attempt needs.
   * @param made  what the request was made with.
   * @returns false if there is nothing.
   */
  async #learns(
    answer: HttpAnswer,
    made: { readonly region: string; readonly skewMs: number },
  ): Promise<boolean> {
    const { status, headers } = answer;
    const region = headers['x-amz-bucket-region'];
    const isElsewhere = [301, 307, 400].includes(status) && typeof region === 'string';
    if (isElsewhere && this.#isAmazon && region !== made.region) {
      if (!/^[a-z0-9-]{1,40}$/.test(region)) return false;
      answer.drop();
      this.#place = { ...this.#place, region, endpoint: amazonEndpoint(region) };
      return true;
    }
    const skewMs = Date.parse(headers.date ?? '') - Date.now();
    if (status === 403 && Math.abs(skewMs - made.skewMs) > SKEW_MS_MAX) {
      answer.drop();
      this.#skewMs = skewMs;
      return true;
    }
    return false;
  }

  /** The error that an answer is. Those that pass are thrown as what another attempt is made for. */
  async refusal(answer: HttpAnswer): Promise<Error> {
    const refusal = await readRefusal(answer);
    const error = s3Error(this.shown, refusal);
    const isPassing = ['RequestTimeout', 'SlowDown', 'InternalError', 'OperationAborted'].includes(
      refusal.code,
    );
    if (isPassing) throw new PassingError(error);
    return error;
  }

  async #sign({ method, url, headers, body }: HttpRequest): Promise<Record<string, string>> {
    const ends = this.#credentials?.expiresMs ?? null;
    if (this.#credentials === null || (ends !== null && ends - RENEW_MS < Date.now())) {
      this.#credentials = await this.#settings.credentials();
    }
    if (ends !== null && (this.#credentials.expiresMs ?? Number.POSITIVE_INFINITY) < Date.now()) {
      throw new RemoteError(`the credentials for '${this.shown}' have expired`, {
        url: this.shown,
        hint: 'sign in again, then run the command again',
      });
    }
    const request = { method, url, headers: headers ?? {}, body: body ?? new Uint8Array(0) };
    const { region } = this.#place;
    return signS3(request, this.#credentials, { region, nowMs: Date.now() + this.#skewMs });
  }

  /** What is asked for objects is sent with a URL of its own. @see readRange */
  get http(): Pick<HttpClient, 'send'> {
    return {
      send: (request, handle, signal) => this.#http.send(request, handle, signal),
    };
  }

  close(): void {
    this.#http.close();
  }
}
