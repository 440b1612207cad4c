/** What is known of the disk that a folder lies on. */
import fs from 'node:fs/promises';
import { UnsafeError } from '../../errors.js';
import { checkPlace } from '../gate.js';
import { ioError } from '../io.js';

/** Magic numbers of file systems (Linux) that only one running kernel has mounted at a time. */
const LOCAL_FILE_SYSTEMS = new Set([
  0xef53, // ext2 to ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x2fc12fc1, // zfs
  0xca451a4e, // bcachefs
  0xf2f52010, // f2fs
  0x3153464a, // jfs
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs
  0x4d44, // vfat
  0x2011bab0, // exfat
]);

/**
 * True if only this kernel can have files of a folder open: what another boot wrote there has ended.
 * False for network and cluster file systems, for those of user space, and where it cannot be told.
 */
export async function isLocalDisk(folder: string): Promise<boolean> {
  try {
    checkPlace(folder);
    return process.platform === 'linux' && LOCAL_FILE_SYSTEMS.has((await fs.statfs(folder)).type);
  } catch (error) {
    if (error instanceof UnsafeError) throw error;
    return false;
  }
}

/** File systems (Linux) on which a file takes about as many bytes as it has: none that compress. */
const PLAIN_FILE_SYSTEMS = new Set([0xef53, 0x58465342, 0x01021994]);

/** Bytes that this user can still write on the disk of a folder; null where that cannot be told. */
export async function freeBytes(folder: string): Promise<number | null> {
  try {
    checkPlace(folder);
    const { type, bavail, bsize } = await fs.statfs(folder);
    const isPlain = process.platform === 'linux' && PLAIN_FILE_SYSTEMS.has(type);
    return isPlain ? bavail * bsize : null;
  } catch (error) {
    if (error instanceof UnsafeError) throw error;
    return null;
  }
}

/** The device that a folder lies on: files move between folders of one device by a rename. */
export async function deviceOf(folder: string): Promise<number> {
  try {
    checkPlace(folder);
    return (await fs.stat(folder)).dev;
  } catch (error) {
    throw ioError('stat', folder, error);
  }
}
