/** Records of the store: the store hands them out, and only objects reads them. */
import { parseImports, roomOf, withoutComments } from './imports.js';

/** Files of the store that know the bytes of a record. */
const INSIDE =
  /store\/(packs\/(read-records|pack-format|blob-record|segment-record|scan|scanned-files)|indexes\/index-[a-z]+)\.js$/;
const READS = /\bstore\.(readBlob|readSegment|openSegment|readPlanes)\(/g;
const READERS = ['store', 'objects'];

/** Problems of one source of lib: it reads records itself. */
export function checkRecords(file: string, source: string): string[] {
  if (READERS.includes(roomOf(file) ?? '')) return [];
  const inside = parseImports(source).filter((specifier) => INSIDE.test(specifier));
  const reads = [...withoutComments(source).matchAll(READS)].map(([found]) => found);
  return [...inside, ...reads].map(
    (what) => `${file}: '${what}' reads records, which objects does`,
  );
}
