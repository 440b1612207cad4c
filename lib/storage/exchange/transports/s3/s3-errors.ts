/** What a bucket's refusals mean, and what to do about them. */
import { type DlvError, RemoteError } from '../../../../base/errors.js';
import type { HttpAnswer } from '../http-answer.js';
import { statusError } from '../http-status.js';
import { printable } from '../redirects.js';

/** Largest answer about an error that is read. */
const ERROR_BYTES_MAX = 64 * 1024;

/** An answer that refuses, as far as it was understood. */
export interface S3Refusal {
  readonly status: number;
  /** The store's word for it, such as NoSuchKey; empty if it gives none. */
  readonly code: string;
}

/** Text between the tags of one element of an answer. */
export function elementOf(xml: string, name: string): string | null {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  if (found === undefined) return null;
  return found.replace(/&(quot|amp|lt|gt|apos);/g, (_, entity: string) => ENTITIES[entity] ?? '');
}

const ENTITIES: Readonly<Record<string, string>> = {
  quot: '"',
  amp: '&',
  lt: '<',
  gt: '>',
  apos: "'",
};

/** Reads an answer that refuses. Its body is used up. */
export async function readRefusal(answer: HttpAnswer): Promise<S3Refusal> {
  const { status } = answer;
  let body = '';
  try {
    body = Buffer.from(await answer.all(ERROR_BYTES_MAX)).toString('utf8');
  } catch {
    // What it says of itself is lost; its status is known.
  }
  const code = elementOf(body, 'Code') ?? '';
  return { status, code: /^[A-Za-z0-9.]{1,60}$/.test(code) ? code : '' };
}

interface Meaning {
  readonly what: string;
  readonly hint: string;
}

const MEANINGS: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: {
    what: 'there is no such bucket',
    hint: 'make it first, or correct the address and its endpoint',
  },
  AccessDenied: {
    what: 'this is not allowed',
    hint: 'these credentials need s3:ListBucket on the bucket and s3:GetObject, for pushes also s3:PutObject',
  },
  InvalidAccessKeyId: {
    what: 'the access key is unknown there',
    hint: 'check AWS_ACCESS_KEY_ID, AWS_PROFILE and the endpoint',
  },
  SignatureDoesNotMatch: {
    what: 'the secret key is not that of the access key',
    hint: 'check AWS_SECRET_ACCESS_KEY, AWS_PROFILE and the region',
  },
  ExpiredToken: {
    what: 'the credentials have expired',
    hint: 'sign in again, then run the command again',
  },
  InvalidToken: { what: 'the session token is not valid', hint: 'check AWS_SESSION_TOKEN' },
  RequestTimeTooSkewed: {
    what: 'the clock here differs too much from that of the store',
    hint: 'set the clock, then run the command again',
  },
  AuthorizationHeaderMalformed: {
    what: 'the bucket is in another region',
    hint: "name its region: AWS_REGION, or '?region=…' in the address",
  },
  PermanentRedirect: {
    what: 'the bucket is in another region',
    hint: "name its region: AWS_REGION, or '?region=…' in the address",
  },
};

/** The error that a refusal is. */
export function s3Error(shown: string, { status, code }: S3Refusal): DlvError {
  const meaning = MEANINGS[code];
  if (meaning === undefined) {
    const error = statusError(shown, status);
    if (code !== '') error.data.s3Code = printable(code);
    return error;
  }
  const { what, hint } = meaning;
  return new RemoteError(`'${shown}' answers ${status}: ${what}`, {
    url: shown,
    status,
    s3Code: code,
    hint,
  });
}

/** That a store ignores what makes two pushes at once safe. */
export function noConditionsError(shown: string): RemoteError {
  return new RemoteError(
    `cannot push to '${shown}': this store does not check conditions of writes (If-Match, If-None-Match)`,
    {
      url: shown,
      hint:
        'two pushes at once could lose one. Use a store that checks them, such as Amazon S3, Cloudflare R2, ' +
        'MinIO or Versity, or push to a folder that is synchronised with the bucket',
    },
  );
}
