/**
 * The database of the catalog: id → what is said of a version, `+` and id → objects that it names. It is opened for one reading or one writing and closed again,
 * since one process alone can have it open. Whatever goes wrong, callers do without it.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import {
  listDirectory,
  makeDirectory,
  removeEmptyFolder,
  removeFile,
} from '../../base/files/files.js';
import { leadsTo } from '../../base/files/places/user-paths.js';

/** Loads the package when it is needed; the one file of the command cannot import at run time. */
const load = createRequire(import.meta.url);

type Database = import('level').Level<string, Uint8Array>;

/** Bytes of rows that one write carries. */
const BATCH_BYTES = 1 << 20;

/** Rows by the id of their version. */
export type Rows = Map<Id, Uint8Array>;

/** The two rows of versions. */
export interface CatalogRows {
  facts: Rows;
  needs: Rows;
}

/** What keys of rows of objects begin with: it sorts before all digits. */
const NEEDS_MARK = '+';

/**
 * All rows of the kinds that are asked for; none if there is no database, or another process has it open, or it is
 * damaged.
 */
export async function readRows(dir: string, { needs }: { needs: boolean }): Promise<CatalogRows> {
  const rows: CatalogRows = { facts: new Map(), needs: new Map() };
  await withDatabase(dir, false, async (database) => {
    const range = needs ? {} : { gte: '0' };
    for (const [key, row] of await database.iterator({ ...range, fillCache: false }).all()) {
      if (key.startsWith(NEEDS_MARK)) rows.needs.set(key.slice(NEEDS_MARK.length) as Id, row);
      else rows.facts.set(key as Id, row);
    }
  });
  return rows;
}

/** Adds rows, if that can be done now. */
export async function writeRows(dir: string, { facts, needs }: CatalogRows): Promise<void> {
  const marked = [...needs].map(([id, row]) => [NEEDS_MARK + id, row] as const);
  await withDatabase(dir, true, async (database) => {
    let batch: { type: 'put'; key: string; value: Uint8Array }[] = [];
    let bytes = 0;
    for (const [key, value] of [...facts, ...marked]) {
      batch.push({ type: 'put', key, value });
      bytes += value.length;
      if (bytes < BATCH_BYTES) continue;
      await database.batch(batch);
      batch = [];
      bytes = 0;
    }
    await database.batch(batch);
  });
}

/** Deletes the database, if that can be done: it is made again of the versions that there are then. */
export async function dropRows(dir: string): Promise<void> {
  try {
    for (const name of await listDirectory(dir)) await removeFile(path.join(dir, name));
    await removeEmptyFolder(dir);
  } catch {
    // Another process has it open, or nothing may be deleted here.
  }
}

async function withDatabase(
  dir: string,
  create: boolean,
  action: (database: Database) => Promise<void>,
): Promise<void> {
  let database: Database | null = null;
  try {
    // Reading makes no folder: whoever only looks at a repository leaves it as it is.
    if (create) await makeDirectory(dir);
    else if ((await leadsTo(dir)) !== 'folder') return;
    const { Level } = load('level') as typeof import('level');
    database = new Level<string, Uint8Array>(dir, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      createIfMissing: create,
    });
    await database.open();
    await action(database);
  } catch (error) {
    if (isDamaged(error)) {
      await database?.close().catch(() => {});
      database = null;
      await dropRows(dir);
    }
  } finally {
    await database?.close().catch(() => {});
  }
}

/** True for damage: a database that is in use, not there or not writable is left as it is. */
function isDamaged(error: unknown): boolean {
  for (
    let at: unknown = error, depth = 0;
    at instanceof Error && depth < 5;
    at = at.cause, depth++
  ) {
    if ((at as { code?: unknown }).code === 'LEVEL_CORRUPTION') return true;
  }
  return false;
}
