/** What a study trains: the versions of its source, each with the file of its network. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import { makeDirectory, removeFile, renameFile, statOrNull } from '../../base/files/files.js';
import { type ModelFile, openModelFile } from '../../knowledge/training/model-file.js';
import { exampleShape } from '../../knowledge/training/network-program.js';
import { copyAsOneFile } from '../../knowledge/training/one-file.js';
import type { Evaluate } from '../../pure/dql/ast.js';
import { matchLayer, parseLayerPattern } from '../../pure/dql/layers/layer-pattern.js';
import { spellings } from '../../pure/dql/layers/layer-set.js';
import { parseStatement, queryError } from '../../pure/dql/parse.js';
import { QueryRunner } from '../../pure/dql/select.js';
import type { Layer, LayerView } from '../../pure/network/layers/layer-view.js';
import { layerView } from '../../pure/network/layers/layer-view.js';
import { readQueries } from '../../storage/repo/queries.js';
import { innerStatement, runStatement } from '../construction/run-statement.js';
import type { OpContext } from '../context.js';
import { evaluatedReader } from '../evaluation/evaluated-reader.js';
import { chooseTarget, placeNetwork } from '../evaluation/place-network.js';
import type { StoreAccess } from '../history/access.js';
import { resolveId } from '../history/lines/resolve.js';
import { readRows } from '../history/table/version-rows.js';
import { Describer } from '../history/versions.js';
import { RepositoryHost } from '../query/repository-host.js';

/** A version that is trained. */
export interface StudySource {
  version: Id;
  name: string;
}

/** Its network, as a file that trainers read. */
export interface SourceNetwork {
  source: StudySource;
  /** Path in the version. */
  path: string;
  file: string;
  model: ModelFile;
  view: LayerView;
  /** Name of its input, and shape of an example; 0 where it is open. */
  input: { name: string; example: number[] };
}

/**
 * The versions that a statement is asked of. A construct or slice as the source is carried out first; a text that is
 * no query is a revision.
 * @throws {UsageError} {NotFoundError}
 */
export async function findSources(
  repo: StoreAccess,
  text: string,
  { source, dryRun }: Pick<Evaluate, 'source'> & { dryRun: boolean },
  context: OpContext,
): Promise<StudySource[]> {
  const { from } = source;
  if (from.kind === 'named' && !(await readQueries(repo.layout)).has(from.name)) {
    const version = await resolveId(repo, from.name);
    return [{ version, name: (await new Describer(repo).called(version)).name }];
  }
  const inner =
    from.kind === 'named' ? ((await readQueries(repo.layout)).get(from.name) as string) : null;
  const statement =
    inner !== null ? parseStatement(inner) : from.kind === 'query' ? from.query : null;
  const evaluated = evaluatedReader(repo, [text, inner ?? ''], context);
  const { rows } = await readRows(repo, { networks: true, evaluated }, context.signal);
  const host = new RepositoryHost(repo, rows, context);
  if (statement === null) {
    throw queryError(
      text,
      source.span,
      'which versions are trained?',
      'write: from "lenet@1", or from (select …)',
    );
  }
  if (statement.kind === 'evaluate') {
    throw queryError(
      text,
      source.span,
      'a study cannot train what another one makes',
      'select its trials: from (select m where m.params.state = "complete")',
    );
  }
  if (statement.kind === 'select') {
    const runner = new QueryRunner(host, { signal: context.signal });
    const found = await runner.select(inner ?? text, statement);
    const sources = new Map<Id, StudySource>();
    for (const { versions } of found.rows) {
      const [first] = versions;
      if (first !== undefined) sources.set(first.id, { version: first.id, name: first.name });
    }
    return [...sources.values()];
  }
  const asked = innerStatement(host, inner ?? text, statement);
  const { versions } = await runStatement(repo, asked, { dryRun }, context);
  return versions.flatMap(({ version, name, source: from, model, branch }) => {
    if (version !== null && name !== null) return [{ version, name }];
    // What a dry run would make stands for its source: only their number matters.
    return dryRun ? [{ version: from?.version ?? ('' as Id), name: `${model}/${branch}` }] : [];
  });
}

/** Places the network of a source in a folder, unless it is there. @throws {NotFoundError} {UsageError} */
export async function placeSource(
  repo: StoreAccess,
  source: StudySource,
  folder: string,
  context: OpContext,
): Promise<SourceNetwork> {
  const target = await chooseTarget(repo, source.version, { snapshot: null }, context);
  const file = path.join(folder, `${source.version.slice(-16)}.onnx`);
  if ((await statOrNull(file)) === null) {
    await makeDirectory(folder);
    const placed = await placeNetwork(repo, target, context.signal);
    try {
      // A run that is killed here leaves no file that the next one would take for whole.
      const part = `${file}.part`;
      await removeFile(part);
      await copyAsOneFile(placed.path, part, `${target.entry.path} of ${source.name}`);
      await renameFile(part, file);
    } finally {
      await placed.remove();
    }
  }
  const model = await openModelFile(file, `${target.entry.path} of ${source.name}`);
  const name = model.network.graph.inputs[0]?.name ?? '';
  return {
    source,
    path: target.entry.path,
    file,
    model,
    view: layerView(model.network),
    input: { name, example: exampleShape(model) },
  };
}

/** Weights of the layers that a pattern names. @throws {NotFoundError} if it names none */
export function weightsOf({ view, model }: SourceNetwork, pattern: string): string[] {
  const parsed = parseLayerPattern(pattern);
  const fits = (names: readonly string[]): boolean =>
    names.some((name) => matchLayer(parsed, name) !== null);
  const all = view.flatMap(({ graph, layers }) => layers.map((layer) => ({ graph, layer })));
  const of = (which: 0 | 1) => all.filter(({ layer }) => fits(spellings(layer)[which]));
  const named = of(0);
  const found = named.length > 0 ? named : of(1);
  if (found.length === 0) {
    throw new NotFoundError(`no layer of '${model.label}' fits "${pattern}"`, {
      kind: 'layer',
      name: pattern,
      hint: `its layers are ${namesOf(all.map(({ layer }) => layer))}`,
    });
  }
  const weights = new Set<string>();
  for (const { graph, layer } of found) {
    for (const node of layer.nodes) {
      for (const name of graph.nodes[node]?.inputs ?? [])
        if (model.spans.has(name)) weights.add(name);
    }
  }
  if (weights.size > 0) return [...weights];
  throw new UsageError(`the layers of '${model.label}' that fit "${pattern}" have no weights`, {
    hint: 'rates and decay are settings of layers with weights',
  });
}

function namesOf(layers: readonly Layer[]): string {
  const names = layers.map(({ name }) => name);
  return names.length > 12 ? `${names.slice(0, 12).join(', ')}, …` : names.join(', ');
}
