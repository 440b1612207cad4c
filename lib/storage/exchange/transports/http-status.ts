/** What the status of an answer means: whether another attempt may help, and words for a user. */
import { RemoteError } from '../../../base/errors.js';

const REMEDIES: Readonly<Record<number, string>> = {
  403: "check the address and what its owner allows you there: 'dlv remote -v' shows the address",
};

const STATUS: Readonly<Record<number, string>> = {
  400: 'it does not understand the request',
  401: 'it wants to know who is asking',
  403: 'this is not allowed',
  404: 'nothing is there',
  405: 'it only gives',
  407: 'the proxy wants to know who is asking',
  429: 'too many requests',
  500: 'it failed',
  501: 'it cannot do this',
  502: 'what stands behind it failed',
  503: 'it is not available now',
  504: 'what stands behind it did not answer in time',
};

/** True for a failure that may be over when the request is made again. */
export function isPassing(status: number): boolean {
  // What a server does not do at all, it does not do later.
  const isLasting = status === 501 || status === 505;
  return status === 408 || status === 425 || status === 429 || (status >= 500 && !isLasting);
}

/** How long a server asks to wait; null if it says nothing sound. @param text  its header `retry-after`. */
export function retryAfterMs(text: string | undefined): number | null {
  return /^\d{1,4}$/.test(text ?? '') ? Number(text) * 1000 : null;
}

/** What a status says, without the words of the server. */
export function statusError(shown: string, status: number): RemoteError {
  const what = STATUS[status] ?? 'it refuses';
  const hint = REMEDIES[status];
  return new RemoteError(`'${shown}' answers ${status}: ${what}`, {
    url: shown,
    status,
    ...(hint === undefined ? {} : { hint }),
  });
}
