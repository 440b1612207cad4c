/** What a statement makes versions of: the versions that it is asked of, and the changed networks of each. */
import { UsageError } from '../../base/errors.js';
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
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import type { BranchName } from '../history/lines/branches.js';
import { networksOfVersion } from '../history/networks/networks.js';
import type { VersionRow } from '../history/table/columns.js';
import type { RepositoryHost } from '../query/repository-host.js';
import { type PlannedNetwork, planChanges, planSlice, shownNetwork } from './change-networks.js';
import { movedPath } from './store-versions.js';

export interface ConstructionOptions {
  /** Model that the new versions are of; default: the name that the statement gives. */
  model?: string;
  /** Branch of the new version; default: named after its source. */
  branch?: string;
  /** Makes nothing. */
  dryRun?: boolean;
}

/** A statement, and the versions that it is asked of. */
export interface AskedStatement {
  host: RepositoryHost;
  text: string;
  statement: Slice | Construct;
  /** The statement as it stands in the text, if that holds more; it tells what was made before. */
  said?: string;
}

/** What one version is made of. */
export interface Target {
  row: VersionRow | null;
  line: BranchName;
  plan(): Promise<PlannedNetwork[]>;
}

/** Finds what a statement makes versions of. */
export class StatementTargets {
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
