/** From an address to what it leads to: a folder, a web server, a bucket. */
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDamage, RemoteError, UsageError } from '../../base/errors.js';
import { leadsTo } from '../../base/files/places/user-paths.js';
import { holdsRepository } from '../repo/find-repository.js';
import { isPlainUrl } from '../repo/remotes.js';
import { Remote, type RemoteReader } from './remote/remote.js';
import type { RemoteCache } from './remote/remote-cache.js';
import { FORMAT_NAME, REMOTE_NAME } from './remote/remote-state.js';
import { RepositoryReader } from './repository-reader.js';
import { canBeMade, FolderTransport } from './transports/folder-transport.js';
import type { LineOptions } from './transports/http-client.js';
import { parseS3Address } from './transports/s3/s3-address.js';
import { readOnlyError, type TransferOptions, type Transport } from './transports/transport.js';

/** What an address is. */
export type Address =
  | { kind: 'folder'; folder: string }
  | { kind: 'web'; url: string }
  | { kind: 'bucket'; url: string };

const SCHEME = /^([a-z][a-z0-9+.-]+):\/\//i;
/** A path with a drive or of a share, as Windows writes it. */
const WINDOWS = /^(?:[a-z]:[\\/]|\\\\)/i;
/** `user@host:path`, as ssh and git write it. */
const SSH = /^[\w.-]+@[\w.-]+:/;

/**
 * Reads an address as a user wrote it. A folder is taken from `cwd`.
 * @throws {UsageError} for an address of a kind that there is no transport for.
 */
export function parseAddress(url: string, cwd: string): Address {
  if (/%00|\0/.test(url)) {
    throw new UsageError(`'${shownUrl(url)}' has a character that no name may have`, {
      url: shownUrl(url),
      hint: "leave out the '%00'",
    });
  }
  const scheme = SCHEME.exec(url)?.[1]?.toLowerCase();
  if (scheme === 'file') return { kind: 'folder', folder: folderOfUrl(url) };
  if (scheme === undefined && !SSH.test(url)) {
    if (url === '') throw new UsageError('the address of the remote is empty');
    // A shell leaves it where it stands in quotes, and so does a file of settings.
    if (/^~(?:\/|$)/.test(url))
      return { kind: 'folder', folder: path.join(homedir(), url.slice(1)) };
    if (WINDOWS.test(url) && path.sep === '/') throw windowsPath(url);
    return { kind: 'folder', folder: path.resolve(cwd, url) };
  }
  if (scheme === 'http' || scheme === 'https') {
    if (!URL.canParse(url)) {
      throw new UsageError(`'${shownUrl(url)}' is not a web address`, {
        url: shownUrl(url),
        hint: 'write http://host/path or https://host/path',
      });
    }
    return { kind: 'web', url };
  }
  if (scheme === 's3') {
    parseS3Address(url);
    return { kind: 'bucket', url };
  }
  throw new UsageError(`there is no transport for '${shownUrl(url)}'`, {
    url: shownUrl(url),
    hint: 'use a folder (also one that is mounted, for example with sshfs), s3://, http:// or https://',
  });
}

/** Here it would be the name of a folder in the current one. */
function windowsPath(url: string): UsageError {
  return new UsageError(`'${shownUrl(url)}' is a path of Windows, and this machine is none`, {
    url: shownUrl(url),
    hint: `mount the share or drive and give the folder's path here; a folder of that name is './${shownUrl(url)}'`,
  });
}

/** @throws {UsageError} unless it is a file address of this machine. */
function folderOfUrl(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw new UsageError(`'${shownUrl(url)}' is not the address of a folder on this machine`, {
      url: shownUrl(url),
      hint: 'write file:///path, or mount the folder of the other machine',
    });
  }
}

/** The address as it is kept: folders absolute, everything without spaces. @throws {UsageError} */
export function keptUrl(url: string, cwd: string): string {
  const address = parseAddress(url, cwd);
  // Of no use to a folder that a server gives; what stands there is often a key, which would be kept and shown.
  if (address.kind === 'web' && /[?#]/.test(address.url)) {
    throw new UsageError(`'${shownUrl(url)}' is not the address of a folder at a web server`, {
      url: shownUrl(url),
      hint: "leave out what follows '?' or '#'; a user and password are written https://user:password@host/…",
    });
  }
  const kept = address.kind === 'folder' ? address.folder : address.url;
  const plain = isPlainUrl(kept) ? kept : encodeSpaces(kept);
  if (isPlainUrl(plain)) return plain;
  throw new UsageError(`'${shownUrl(url)}' is too long for an address`, { url: shownUrl(url) });
}

/** A folder whose name has spaces, as a file address. */
function encodeSpaces(folder: string): string {
  return `file://${folder.split(path.sep).map(encodeURIComponent).join('/')}`;
}

/** The path that a file address of this machine means: how a folder with spaces is kept; else the address itself. */
function pathOf(url: string): string {
  if (!/^file:/i.test(url)) return url;
  try {
    return fileURLToPath(url);
  } catch {
    return url;
  }
}

/** An address without its password, that of a folder as its path, what follows a '?' of a web address, and control characters, for messages. */
export function shownUrl(url: string): string {
  return pathOf(url)
    .replace(/^(https?:\/\/[^?#]*)[?#].*$/is, '$1?…')
    .replace(/\p{Cc}|\p{Cs}/gu, '?')
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^/:@]*):[^/@]*@/i, '$1:…@');
}

/** How a remote is opened. */
export interface OpenOptions
  extends TransferOptions,
    Pick<LineOptions, 'rate' | 'connections' | 'lowSpeed'> {
  /** Folder that relative addresses are taken from. */
  readonly cwd: string;
  /** Keeps what never changes at the remote; null while there is no repository. */
  readonly cache: RemoteCache | null;
}

/** What reaches a folder is at hand; what speaks to servers is loaded when it is used. */
async function openTransport(address: Address, how: OpenOptions): Promise<Transport> {
  const { rate, connections, lowSpeed, cache } = how;
  const line = {
    ...(rate ? { rate } : {}),
    ...(connections ? { connections } : {}),
    ...(lowSpeed ? { lowSpeed } : {}),
  };
  if (address.kind === 'folder') return new FolderTransport(address.folder, line);
  if (address.kind === 'bucket') {
    const { S3Transport } = await import('./transports/s3/s3-transport.js');
    return S3Transport.open(address.url, { ...line, memory: cache });
  }
  const { HttpTransport } = await import('./transports/http-transport.js');
  return new HttpTransport(address.url, line);
}

/** What of dlv a folder is: a repository with a work tree, or what pushes made; null if neither. */
export async function kindOfFolder(folder: string): Promise<'repository' | 'remote' | null> {
  if (await holdsRepository(folder)) return 'repository';
  for (const name of [REMOTE_NAME, FORMAT_NAME]) {
    if ((await leadsTo(path.join(folder, name))) !== 'file') return null;
  }
  return 'remote';
}

/** Opens a remote to read from it; a repository with a work tree serves as one. @throws {RemoteError} */
export async function openReader(url: string, options: OpenOptions): Promise<RemoteReader> {
  const address = parseAddress(url, options.cwd);
  if (address.kind === 'folder') {
    const { folder } = address;
    if (await holdsRepository(folder)) return RepositoryReader.open(folder, options);
    const there = await leadsTo(folder);
    if (there === 'file') return openBundle(folder, options);
    if (there !== 'folder') {
      throw new RemoteError(`there is no folder or file '${folder}'`, {
        url: folder,
        hint: "correct the address, that of a named remote with 'dlv remote set-url'; or mount the disk that it is on",
      });
    }
  }
  const remote = await Remote.open(await openTransport(address, options), options.cache, options);
  remote.checkThere();
  return remote;
}

/**
 * Opens a remote that shall be the only one to have something: nothing that was read of it before counts.
 *
 * A repository with a work tree is refused, be it this one under another name: its owner gives up what it likes,
 * and looks at nobody who counts on it.
 * @throws {UsageError} for one that cannot keep it; {RemoteError}
 */
export async function openKeeper(url: string, options: OpenOptions): Promise<Remote> {
  const address = parseAddress(url, options.cwd);
  if (address.kind === 'folder' && (await holdsRepository(address.folder))) {
    throw cannotKeep(address.folder, 'it is a repository with a work tree');
  }
  const source = await openReader(url, { ...options, cache: null });
  if (source instanceof Remote && source.needs.length === 0) return source;
  await source.close();
  throw cannotKeep(source.shown, 'it is not whole without other versions');
}

function cannotKeep(shown: string, why: string): UsageError {
  return new UsageError(`'${shown}' cannot be the only one to have what is freed here: ${why}`, {
    url: shown,
    hint: "push everything to a remote of its own, such as '../models.dlv', and name that with --to",
  });
}

/** Opens a bundle, a remote in one file. @param file  absolute. @throws {RemoteError} {CorruptError} */
export async function openBundle(file: string, options: OpenOptions): Promise<Remote> {
  const { BundleTransport, damagedBundle } = await import('./bundles/bundle-transport.js');
  const transport = await BundleTransport.open(file, options);
  try {
    return await Remote.open(transport, options.cache, options);
  } catch (error) {
    await transport.close();
    const isNamed = (error as Error).message.includes(file);
    throw isDamage(error) && !isNamed ? damagedBundle(file, (error as Error).message) : error;
  }
}

/** Opens a remote to push to it, which may not be there yet. @throws {RemoteError} {UsageError} */
export async function openWritable(url: string, options: OpenOptions): Promise<Remote> {
  const address = parseAddress(url, options.cwd);
  if (address.kind === 'folder' && (await holdsRepository(address.folder))) {
    throw new UsageError(
      `cannot push to '${address.folder}': it is a repository with a work tree`,
      {
        url: address.folder,
        hint: "push to a folder of its own, such as '../models.dlv', and pull from that",
      },
    );
  }
  if (address.kind === 'folder' && (await leadsTo(address.folder)) === 'file') {
    throw new UsageError(`cannot push to '${address.folder}': it is a file`, {
      url: address.folder,
      hint: "'dlv export' writes a bundle; a remote that takes pushes is a folder, a bucket or a new address",
    });
  }
  // Also where nothing is sent in the end: a dry run says what a push would say.
  if (address.kind === 'folder') await canBeMade(address.folder);
  const transport = await openTransport(address, options);
  if (!transport.isWritable) throw readOnlyError(transport.shown, 'a web server only gives');
  return Remote.open(transport, options.cache, options);
}
