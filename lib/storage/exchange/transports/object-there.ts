/** What is said of objects of a remote, and whether one that is there already is the one that is to be stored. */
import { RemoteError } from '../../../base/errors.js';
import type { TransferOptions, Transport, UploadSource } from './transport.js';

const DAMAGED =
  "run 'dlv fsck' here; if it finds nothing, move that file out of the way, then push again";

/** That an object is not at a remote which names it. */
export function missingObject(shown: string, name: string): RemoteError {
  return new RemoteError(`'${name}' is not at '${shown}'`, {
    url: shown,
    name,
    missing: true,
    hint: 'the remote may just have been collected: run the command again; if it stays so, it is damaged',
  });
}

/** That an object ends before what is asked of it. */
export function shortObject(
  shown: string,
  name: string,
  wanted: number,
  bytes: number,
): RemoteError {
  return new RemoteError(
    `'${name}' at '${shown}' ends early: it has ${bytes} bytes, not ${wanted}`,
    {
      url: shown,
      name,
      hint: 'the remote is damaged: push again from a repository that is whole',
    },
  );
}

/**
 * Looks at the bytes of an object that is there under the name of what is to be stored. No list need name it: it may
 * be what an interrupted run left, or a copy that another tool made.
 * @param bytes  its size. @throws {RemoteError} if it is another one.
 */
export async function checkObject(
  transport: Pick<Transport, 'read' | 'shown'>,
  { name, bytes }: { name: string; bytes: number },
  source: UploadSource,
  options: TransferOptions,
): Promise<void> {
  const { shown } = transport;
  const differs = (how: string): RemoteError =>
    new RemoteError(`'${name}' at '${shown}' ${how}`, { url: shown, name, hint: DAMAGED });
  if (bytes !== source.size) throw differs(`has ${bytes} bytes, not ${source.size}`);
  let at = 0;
  const compare = async (there: Uint8Array): Promise<void> => {
    const here = await source.read(at, there.length);
    if (Buffer.compare(there, here) !== 0)
      throw differs('is not what it is here: one of them is damaged');
    at += there.length;
  };
  await transport.read(name, { start: 0, end: bytes }, compare, options);
}
