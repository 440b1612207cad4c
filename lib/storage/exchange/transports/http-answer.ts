/** The answer of a server, whose body is read once, piece by piece or whole, or thrown away. */
import type http from 'node:http';
import { DlvError, LimitError, RemoteError } from '../../../base/errors.js';

/** What Node says of connections that the other side closed. */
const BROKEN_OFF: ReadonlyMap<string, string> = new Map([
  ['aborted', 'the connection was closed before the answer was whole'],
  ['socket hang up', 'the connection was closed before an answer came'],
]);

/** A failure that another attempt may not meet. */
export class PassingError extends Error {
  readonly waitMs: number | null;

  constructor(error: Error, waitMs: number | null = null) {
    super(BROKEN_OFF.get(error.message) ?? error.message, { cause: error });
    this.waitMs = waitMs;
  }
}

/** An answer; its body is read once, or thrown away with `drop`. */
export interface HttpAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** Gives the body piece by piece. @throws {RemoteError} if it ends early. */
  each(take: (bytes: Uint8Array) => Promise<void>): Promise<void>;
  /** The body, at most so many bytes. @throws {RemoteError} with `data.tooLong` if it is longer. */
  all(maxBytes: number): Promise<Uint8Array>;
  drop(): void;
}

/** Whose turn it is in a request, ours or the other side's. */
export interface Turns {
  /** The other side has moved so many bytes, and now it is our turn. */
  ours(moved?: number): void;
  theirs(): void;
  end(): void;
}

export interface AnswerOptions {
  /** The address, for messages. */
  readonly shown: string;
  /** True for an answer whose length says nothing of its body. */
  readonly isEmpty: boolean;
  /** Called for each piece that came; the next is asked for when it is fulfilled. */
  onPiece(bytes: number): Promise<void>;
  /** Is told whose turn it is. */
  readonly watch: Turns;
}

export function readAnswer(
  message: http.IncomingMessage,
  { shown, isEmpty, onPiece, watch }: AnswerOptions,
): HttpAnswer {
  const declared = Number(message.headers['content-length'] ?? Number.NaN);
  const each = async (take: (bytes: Uint8Array) => Promise<void>): Promise<void> => {
    let got = 0;
    try {
      for await (const piece of message as AsyncIterable<Buffer>) {
        got += piece.length;
        watch.ours(piece.length);
        await onPiece(piece.length);
        await take(piece);
        watch.theirs();
      }
    } catch (error) {
      if (error instanceof DlvError || error instanceof PassingError) throw error;
      throw new PassingError(error as Error);
    }
    if (!isEmpty && Number.isFinite(declared) && got !== declared) {
      throw new PassingError(new Error(`the answer ended after ${got} of ${declared} bytes`));
    }
  };
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    each,
    all: async (maxBytes) => {
      const pieces: Uint8Array[] = [];
      let got = 0;
      await each(async (bytes) => {
        got += bytes.length;
        if (got > maxBytes) {
          message.destroy();
          throw new RemoteError(`'${shown}' sent more than ${maxBytes} bytes`, {
            url: shown,
            tooLong: true,
          });
        }
        pieces.push(bytes);
      });
      return Buffer.concat(pieces);
    },
    drop: () => {
      watch.end();
      message.resume();
    },
  };
}

/** The body of a small object. @throws {LimitError} above its bound. */
export async function smallBody(
  answer: HttpAnswer,
  { name, shown, maxBytes }: { name: string; shown: string; maxBytes: number },
): Promise<Uint8Array> {
  return answer.all(maxBytes).catch((error: unknown) => {
    if ((error as RemoteError).data?.tooLong !== true) throw error;
    throw new LimitError(`'${name}' at '${shown}' has more than ${maxBytes} bytes`, {
      file: name,
      url: shown,
      hint: 'there is no dlv repository at this address, or it is damaged: check the address',
    });
  });
}
