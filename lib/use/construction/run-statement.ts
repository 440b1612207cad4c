/**
 * Carries out a slice or a construct: finds the versions that it speaks of, changes their networks, and makes a
 * version of each. Versions that the same statement has made of the same source before are found again.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { ExistsError, UsageError } from '../../base/errors.js';
import type { Construct, Slice } from '../../pure/dql/ast.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { type BranchName, checkNewModel, readBranch } from '../history/lines/branches.js';
import type { RepositoryHost } from '../query/repository-host.js';
import type { ShownNetwork } from './change-networks.js';
import {
  type AskedStatement,
  type ConstructionOptions,
  StatementTargets,
  type Target,
} from './find-targets.js';
import {
  movedPath,
  type PlannedVersion,
  type StoredVersion,
  storePlanned,
} from './store-versions.js';
/** A version that was made, or would be. */
export interface ConstructedVersion extends BranchName {
  /** Null if it was not made. */
  version: Id | null;
  /** `model@number`; null if it was not made. */
  name: string | null;
  /** The version that it derives from; null for none. */
  source: { version: Id; name: string } | null;
  /** True if the same statement made it before. */
  isKnown: boolean;
  networks: ShownNetwork[];
  logicalBytes: number;
  /** Bytes of packs written; 0 if it was not made now. */
  storedBytes: number;
  metadataBytes: number;
}

export interface ConstructionResult {
  statement: 'slice' | 'construct';
  dryRun: boolean;
  /** Versions that were looked at, and those that the condition let through. */
  looked: number;
  fit: number;
  versions: ConstructedVersion[];
  hints: string[];
}

/** A slice or construct that is a source in another statement. */
export function innerStatement(
  host: RepositoryHost,
  text: string,
  statement: Slice | Construct,
): AskedStatement {
  const { from, to } = statement.span;
  return { host, text, statement, said: text.slice(from, to) };
}

/** @throws {UsageError} with line and column; {ExistsError} if a branch has another version. */
export async function runStatement(
  repo: StoreAccess,
  asked: AskedStatement,
  options: ConstructionOptions,
  context: OpContext,
): Promise<ConstructionResult> {
  const { text, statement } = asked;
  const { kind } = statement;
  const found = await new StatementTargets(repo, asked, options, context).find();
  if (options.branch !== undefined && found.targets.length > 1) {
    throw new UsageError(
      `--branch names one branch, and the ${kind} makes ${found.targets.length} versions`,
      { hint: 'leave it out: each version gets a branch named after its source' },
    );
  }
  const said = (asked.said ?? text).trim();
  const written = said.replace(/\s+/g, ' ');
  const versions: ConstructedVersion[] = [];
  const { staging } = await readStaging(repo.layout);
  // Everything is planned before the first version is made: a mistake then leaves nothing behind.
  const planned: { target: Target; of: PlannedVersion | null; known: Id | null }[] = [];
  for (const target of found.targets) {
    throwIfAborted(context.signal);
    const { row, line } = target;
    await checkNewModel(repo, staging, line.model);
    const subject = row === null ? `${kind} ${line.model}` : `${kind} from ${row.name}`;
    const message = `${subject}\n\n${said}`;
    const known = await findMade(repo, target, message);
    if (known !== null) {
      planned.push({ target, of: null, known });
      continue;
    }
    const networks = await target.plan();
    if (networks.length === 0) continue;
    const operation = { kind, detail: cut(written) };
    const source = row?.id ?? null;
    const moved = (path: string): string => movedPath(path, row?.facts.model ?? '', line.model);
    const of = { line, source, moved, message, operation, networks };
    planned.push({ target, of, known });
  }
  context.progress.start('making versions', planned.length, 'versions');
  for (const { target, of, known } of planned) {
    const made = of === null || options.dryRun ? null : await storePlanned(repo, of, context);
    versions.push(await describe(repo, target, { of, known, made }));
    context.progress.advance(1);
  }
  context.progress.finish();
  return {
    ...{ statement: kind, dryRun: options.dryRun === true, looked: found.looked },
    ...{ fit: found.targets.length, versions, hints: found.hints },
  };
}

/** Longest text of a recorded operation; the message has all of the statement. */
const DETAIL_BYTES_MAX = 4096;

function cut(text: string): string {
  const printable = text.replace(/\p{Cc}/gu, ' ');
  if (Buffer.byteLength(printable) <= DETAIL_BYTES_MAX) return printable;
  return `${[...printable].slice(0, DETAIL_BYTES_MAX / 4 - 1).join('')}…`;
}

async function describe(
  repo: StoreAccess,
  { row, line }: Target,
  done: { of: PlannedVersion | null; known: Id | null; made: StoredVersion | null },
): Promise<ConstructedVersion> {
  const { of, known, made } = done;
  const before = known === null ? null : await repo.version(known);
  const number = made?.number ?? before?.number ?? null;
  return {
    ...line,
    version: made?.version ?? known,
    name: number === null ? null : `${line.model}@${number}`,
    source: row === null ? null : { version: row.id, name: row.name },
    isKnown: known !== null,
    networks: (of?.networks ?? []).map(({ shown }) => shown),
    logicalBytes:
      made?.logicalBytes ??
      before?.tree.bytes ??
      (of?.networks ?? []).reduce((sum, { bytes }) => sum + bytes, 0),
    storedBytes: made?.storedBytes ?? 0,
    metadataBytes: made?.metadataBytes ?? 0,
  };
}

/** The version of a branch, if the same statement made it of the same source. @throws {ExistsError} */
async function findMade(
  repo: StoreAccess,
  { row, line }: Target,
  message: string,
): Promise<Id | null> {
  const tip = await readBranch(repo, line);
  if (tip === null) return null;
  const version = await repo.version(tip);
  const isSame =
    version.message === message && version.parents.join() === (row === null ? '' : row.id);
  if (isSame) return tip;
  throw new ExistsError(`there is a branch '${line.model}/${line.branch}' already`, {
    kind: 'branch',
    name: `${line.model}/${line.branch}`,
    hint: 'give the new versions another name: --model <name>',
  });
}
