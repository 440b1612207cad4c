/**
 * What a remote says of itself, in two small objects: `remote`, its state, and `format`, the flags that readers
 * and writers must know. Each has a tag, by which a swap is refused if another writer came first.
 */
import { CorruptError, RemoteError } from '../../../base/errors.js';
import { REMOTE_BYTES_MAX, STATE_FILE_BYTES_MAX } from '../../../base/limits.js';
import { CURRENT_FORMAT, type Format, parseRemoteFormat, REMOTE_FLAG } from '../../repo/format.js';
import type { TransferOptions, Transport } from '../transports/transport.js';
import { parseAt } from './remote-damage.js';
import { decodeRemote, type RemoteState } from './remote-file.js';

export const REMOTE_NAME = 'remote';
export const FORMAT_NAME = 'format';
/** The writer of a state that nobody wrote. */
export const NO_WRITER = '0'.repeat(32);

const NEW_FORMAT: Format = {
  ...CURRENT_FORMAT,
  readRequired: [...CURRENT_FORMAT.readRequired, REMOTE_FLAG].sort(),
};

/** Both objects, as they were at one moment. A tag is null if the object does not exist. */
export interface ReadState {
  readonly format: { readonly flags: Format; readonly tag: string | null };
  readonly state: RemoteState;
  readonly tag: string | null;
}

/** @throws {CorruptError} {FormatVersionError}; {RemoteError} if it cannot be reached, or is the inside of a repository. */
export async function readState(
  transport: Transport,
  options: TransferOptions,
): Promise<ReadState> {
  const [remote, format] = await Promise.all([
    transport.load(REMOTE_NAME, REMOTE_BYTES_MAX, options),
    transport.load(FORMAT_NAME, STATE_FILE_BYTES_MAX, options),
  ]);
  const { shown } = transport;
  const read = <T>(name: string, parse: () => T): T => parseAt(shown, name, parse);
  const flags =
    format === null
      ? NEW_FORMAT
      : read(FORMAT_NAME, () => parseRemoteFormat(format.bytes, FORMAT_NAME));
  if (remote !== null && format === null) {
    throw new CorruptError(`'${FORMAT_NAME}' is missing at '${transport.shown}'`, {
      file: FORMAT_NAME,
      url: transport.shown,
      hint: 'put it back from a backup, or push to a new address',
    });
  }
  if (format !== null && !flags.readRequired.includes(REMOTE_FLAG)) {
    throw new RemoteError(`'${transport.shown}' is the inside of a repository, not a remote`, {
      url: transport.shown,
      hint: 'name the folder that holds it, or push to an address of its own',
    });
  }
  return {
    format: { flags, tag: format?.tag ?? null },
    state:
      remote === null
        ? emptyState()
        : read(REMOTE_NAME, () => decodeRemote(remote.bytes, REMOTE_NAME)),
    tag: remote?.tag ?? null,
  };
}

function emptyState(): RemoteState {
  return {
    generation: 0,
    writer: NO_WRITER,
    head: null,
    numbers: new Map(),
    refs: new Map(),
    lists: [],
    collection: null,
    lines: [],
  };
}
