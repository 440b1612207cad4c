/**
 * Carries out a slice or a construct: finds the versions that it speaks of, changes their networks, and makes a
 * version of each. Versions that the same statement has made of the same source before are found again.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { ExistsError, UsageError } from '../../base/errors.js';
import type { Construct, Slice } from '../../pure/dql/ast.js';
import { ChangePlan, compileSlice, hintOfMutations } from '../../pure/dql/construct/change-plan.js';
import { newNetwork } from '../../pure/dql/construct/new-network.js';
import type { LayerSet } from '../../pure/dql/layers/layer-set.js';
import { queryError } from '../../pure/dql/parse.js';
import { selectorsIn } from '../../pure/dql/scope.js';
import { QueryRunner } from '../../pure/dql/select.js';
import { newModel } from '../../pure/formats/onnx/write/edited-model.js';
import { ChangeProblem } from '../../pure/network/edit/change-layers.js';
import {
  checkModelName,
  checkNewBranchName,
  refNameProblem,
} from '../../storage/repo/refs/ref-name.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { type BranchName, checkNewModel, readBranch } from '../history/lines/branches.js';
import { networksOfVersion } from '../history/networks/networks.js';
import type { VersionRow } from '../history/table/columns.js';
import type { RepositoryHost } from '../query/repository-host.js';
import {
  type PlannedNetwork,
  planChanges,
  planSlice,
  type ShownNetwork,
  shownNetwork,
} from './change-networks.js';
import {
  movedPath,
  type PlannedVersion,
  type StoredVersion,
  storePlanned,
} from './store-versions.js';

export interface ConstructionOptions {
  /** Model that the new versions are of; default: the name that the statement gives. */
  model?: string;
  /** Branch of the new version; default: named after its source. */
  branch?: string;
  /** Makes nothing. */
  dryRun?: boolean;
}

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

/** A statement, and the versions that it is asked of. */
export interface AskedStatement {
  host: RepositoryHost;
  text: string;
  statement: Slice | Construct;
  /** The statement as it stands in the text, if that holds more; it tells what was made before. */
  said?: string;
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

/** What one version is made of. */
interface Target {
  row: VersionRow | null;
  line: BranchName;
  plan(): Promise<PlannedNetwork[]>;
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

/** Finds what a statement makes versions of. */
class StatementTargets {
  readonly #repo: StoreAccess;
  readonly #host: RepositoryHost;
  readonly #text: string;
  readonly #statement: Slice | Construct;
  readonly #options: ConstructionOptions;
  readonly #context: OpContext;
  readonly #model: string;

  constructor(
    repo: StoreAccess,
    { host, text, statement }: AskedStatement,
    options: ConstructionOptions,
    context: OpContext,
  ) {
    this.#repo = repo;
    this.#host = host;
    this.#text = text;
    this.#statement = statement;
    this.#options = options;
    this.#context = context;
    this.#model = checkModelName(options.model ?? statement.variable);
  }

  async find(): Promise<{ targets: Target[]; looked: number; hints: string[] }> {
    const statement = this.#statement;
    const { source, where, span } = statement;
    if (source === null) {
      const { chain, seed } = statement as Construct;
      const branch = this.#options.branch ?? this.#repo.config.get('init.branch');
      const line = { model: this.#model, branch: checkNewBranchName(branch) };
      const plan = async (): Promise<PlannedNetwork[]> => [this.#fromNothing(chain, seed ?? 0)];
      return { targets: [{ row: null, line, plan }], looked: 0, hints: [] };
    }
    const runner = new QueryRunner(this.#host, { signal: this.#context.signal });
    const { scope, versions, looked, hints } = await runner.bound(this.#text, {
      ...{ source, where, span },
    });
    const plan = this.#planner(scope);
    const told = new Set(hints);
    if (statement.kind === 'construct' && where !== null) {
      const hint = hintOfMutations(selectorsIn(where), statement.mutations);
      if (hint !== null) told.add(hint);
    }
    const targets: Target[] = [];
    // The oldest first, so that numbers follow the sources.
    for (const { row, bindings } of versions.toReversed()) {
      // Versions that this statement made before are not sources.
      if (row.facts.model === this.#model) continue;
      const planned = await plan(row, bindings);
      if (planned === null) continue;
      targets.push({
        row,
        line: { model: this.#model, branch: this.#branchOf(row) },
        plan: planned,
      });
    }
    if (versions.length > 0 && targets.length === 0) {
      told.add('no version that fits has layers that the statement names: nothing is made');
    }
    return { targets, looked, hints: [...told] };
  }

  #branchOf({ facts, number }: VersionRow): string {
    const branch = this.#options.branch ?? `${facts.model}-${number}`;
    return refNameProblem(branch) === null
      ? checkNewBranchName(branch)
      : checkNewBranchName(`from-${number}`);
  }

  /** For a version, how its networks are planned; null if it has no layers that are meant. */
  #planner(
    scope: ConstructorParameters<typeof ChangePlan<VersionRow>>[2],
  ): (
    row: VersionRow,
    bindings: Parameters<ChangePlan<VersionRow>['changesOf']>[1],
  ) => Promise<(() => Promise<PlannedNetwork[]>) | null> {
    const statement = this.#statement;
    const [text, host, context] = [this.#text, this.#host, this.#context];
    if (statement.kind === 'slice') {
      const endsOf = compileSlice(host, scope, statement);
      return async (row, bindings) => {
        const ends = endsOf([row], bindings);
        if (ends.length === 0) return null;
        const files = await this.#files(row);
        return () =>
          this.#each(row, ends, async (one) =>
            planSlice(
              this.#repo,
              files(one.set),
              { ends: one, target: this.#target(row, files(one.set).path) },
              context,
            ),
          );
      };
    }
    const plan = new ChangePlan(text, host, scope, statement.mutations);
    const seed = statement.seed ?? 0;
    return async (row, bindings) => {
      const changes = plan.changesOf([row], bindings);
      if (changes.length === 0) return null;
      const files = await this.#files(row);
      return () =>
        this.#each(row, changes, async (one) => {
          const file = files(one.set);
          const target = this.#target(row, file.path);
          return planChanges(this.#repo, file, { ...one, seed, target }, context);
        });
    };
  }

  #target(row: VersionRow, path: string): string {
    return movedPath(path, row.facts.model, this.#model);
  }

  /** Plans each network of a version; errors say which version it is. */
  async #each<T>(
    row: VersionRow,
    list: readonly T[],
    plan: (one: T) => Promise<PlannedNetwork>,
  ): Promise<PlannedNetwork[]> {
    const made: PlannedNetwork[] = [];
    for (const one of list) {
      try {
        made.push(await plan(one));
      } catch (error) {
        throw this.#placed(error, row);
      }
    }
    return made;
  }

  /** An error about a version as one about the place of the statement that asks for it. */
  #placed(error: unknown, row: VersionRow): unknown {
    if (error instanceof ChangeProblem && this.#statement.kind === 'construct') {
      const { span } = this.#statement.mutations[error.mutation] ?? this.#statement;
      return queryError(this.#text, span, `in ${row.name}, ${error.message}`, error.hint);
    }
    if (!(error instanceof UsageError) || 'line' in error.data) return error;
    return new UsageError(
      `the ${this.#statement.kind} cannot be made of ${row.name}: ${error.message}`,
      error.data,
    );
  }

  /** The files of the networks of a version, by their layers. */
  async #files(row: VersionRow): Promise<(set: LayerSet) => Parameters<typeof planChanges>[1]> {
    const sets = this.#host.networks(row);
    const found = await networksOfVersion(this.#repo, row.id, this.#context);
    return (set) => {
      const { path } = found[sets.indexOf(set)] as { path: string };
      return { version: row.id, path, set };
    };
  }

  #fromNothing(chain: Construct['chain'], seed: number): PlannedNetwork {
    const path = `${this.#model}/model.onnx`;
    const { finished, ...forms } = newNetwork(this.#text, chain, {
      ...{ name: this.#model, seed, span: this.#statement.span },
    });
    return {
      ...{ source: null, ...newModel(this.#model, forms, finished.edit) },
      shown: shownNetwork(path, finished, { layersBefore: 0, changes: [], sideInputs: [] }),
    };
  }
}
