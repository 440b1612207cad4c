/** Folds a LoRA adapter, as PEFT saves it, into the weights that it was trained for. */

import { suggestNames } from '../../base/bytes/words/closest.js';
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.js';
import {
  type AdapterConfig,
  adapterScale,
  addFactors,
  addSquares,
  type Factors,
  factorsProblem,
  planAdapter,
  readAdapterConfig,
  scaleRows,
} from '../../pure/merge/adapter.js';
import { quantisedModules } from '../../pure/merge/quantised.js';
import { byCanonicalName, canonicalName } from '../../pure/tensor/canonical-name.js';
import { widen } from '../../pure/tensor/dtype.js';
import { elementCount } from '../../pure/tensor/layout.js';
import type { PackSession } from '../../storage/objects/session.js';
import { loadTensors } from '../../storage/objects/stored/load-tensors.js';
import { readTensor } from '../../storage/objects/stored/read-tensor.js';
import { streamFile } from '../../storage/objects/stored/rebuild.js';
import { openStoredFile } from '../../storage/objects/stored/stored-file.js';
import type { StoredTensor } from '../../storage/objects/stored/tensors.js';
import type { FileEntry, FilePage } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import { isBelow, pickSnapshot } from '../history/steps/pick-snapshot.js';
import {
  bytesOfValues,
  ChangedTensors,
  type Combined,
  isWritable,
  type PlacedTensor,
  valuesOf,
  weightsOf,
} from './combine-files.js';
import { warnOfStaleFiles } from './stale-files.js';

const CONFIG_NAME = 'adapter_config.json';
const CONFIG_BYTES_MAX = 1 << 20;

const FLOATS_HINT =
  'fold it into the float weights that these were quantised from, then quantise; or merge with PEFT and commit the result';

/** Where an adapter is: a folder or file of a version; without a path the only one that it has. */
export interface AdapterPlace {
  page: FilePage;
  path: string | undefined;
  /** As the user wrote it. */
  title: string;
}

function folderOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at < 0 ? '' : path.slice(0, at);
}

/** The folder of the adapter that is meant. @throws {NotFoundError} {UsageError} */
function findFolder({ page, path, title }: AdapterPlace): { folder: string; config: FileEntry } {
  const wanted = path?.replace(/\/+$/, '');
  const configs = page.files.filter((file) => {
    if (file.path !== CONFIG_NAME && !file.path.endsWith(`/${CONFIG_NAME}`)) return false;
    const folder = folderOf(file.path);
    return wanted === undefined || isBelow(file.path, wanted) || folderOf(wanted) === folder;
  });
  const [config, other] = configs;
  if (config === undefined) {
    throw new NotFoundError(`'${title}' has no ${CONFIG_NAME}`, {
      kind: 'path',
      name: CONFIG_NAME,
      hint: 'name a folder or version with adapter_model.safetensors and adapter_config.json of PEFT',
    });
  }
  if (other !== undefined) {
    throw new UsageError(`'${title}' has several adapters`, {
      candidates: configs.map((file) => folderOf(file.path)),
      hint: `name one: ${configs.map((file) => `'${folderOf(file.path)}'`).join(', ')}`,
    });
  }
  return { folder: folderOf(config.path), config };
}

async function readConfig(repo: LineAccess, entry: FileEntry): Promise<AdapterConfig> {
  if (entry.size > CONFIG_BYTES_MAX) {
    throw new UsageError(`'${entry.path}' has ${entry.size} bytes: it is no configuration`);
  }
  const pieces: Uint8Array[] = [];
  for await (const bytes of streamFile(repo, await openStoredFile(repo, entry))) pieces.push(bytes);
  return readAdapterConfig(Buffer.concat(pieces).toString('utf8'), entry.path);
}

/** Finds weights by the names that an adapter gives them. */
class Targets {
  readonly #weights: ReadonlyMap<string, PlacedTensor>;
  readonly #canonical: ReadonlyMap<string, string>;
  readonly #quantised: ReadonlyMap<string, string>;

  constructor(weights: ReadonlyMap<string, PlacedTensor>) {
    this.#weights = weights;
    this.#canonical = byCanonicalName(weights.keys());
    this.#quantised = quantisedModules(weights.keys());
  }

  /** By its name, by that without what frameworks add, or by the only one that ends like it. */
  find(name: string): PlacedTensor | undefined {
    const known = this.#weights.get(name);
    if (known !== undefined) return known;
    const canonical = this.#canonical.get(canonicalName(name));
    if (canonical !== undefined) return this.#weights.get(canonical);
    const alike = [...this.#weights.keys()].filter(
      (own) => own.endsWith(`.${name}`) || name.endsWith(`.${own}`),
    );
    return alike.length === 1 ? this.#weights.get(alike[0] as string) : undefined;
  }

  /** The weight that an adapter calls so. @throws {ConflictError} if it is codes and scales; {NotFoundError} */
  floats(name: string, place: string): PlacedTensor {
    const placed = this.find(name);
    const module = moduleOf(placed === undefined ? name : placed.tensor.name);
    const part = this.#quantised.get(module) ?? (placed === undefined ? this.#alike(module) : null);
    if (part) {
      throw new ConflictError(
        `'${place}' cannot be folded into '${name}': it is quantised ('${part}')`,
        { tensor: name, hint: FLOATS_HINT },
      );
    }
    if (placed !== undefined) return placed;
    throw new NotFoundError(`'${place}' changes '${name}', which these weights do not have`, {
      kind: 'tensor',
      name,
      ...suggestNames(name, [...this.#weights.keys()], 'is it an adapter of another model?'),
    });
  }

  /** A part of a quantised weight whose module ends like this one. */
  #alike(module: string): string | null {
    for (const [own, part] of this.#quantised) {
      if (own.endsWith(`.${module}`) || module.endsWith(`.${own}`)) return part;
    }
    return null;
  }
}

function moduleOf(name: string): string {
  return name.replace(/\.weight$/, '');
}

/** @param session  where the folded files are stored; null to say only what would be done. */
export async function foldAdapter(
  repo: LineAccess,
  { ours, adapter }: { ours: FilePage; adapter: AdapterPlace },
  session: PackSession | null,
  context: OpContext,
): Promise<Combined> {
  const { folder, config: configEntry } = findFolder(adapter);
  const config = await readConfig(repo, configEntry);
  const ofAdapter = pickSnapshot(adapter.page, { path: folder === '' ? undefined : folder });
  const isOwn = (key: string): boolean =>
    adapter.page === ours && folder !== '' && isBelow(key, folder);
  const base = pickSnapshot({ snapshots: ours.snapshots.filter(({ key }) => !isOwn(key)) }, {});
  if (ofAdapter === null || base === null) {
    const what = ofAdapter === null ? `'${adapter.title}' has no tensors` : 'there are no weights';
    throw new ConflictError(`${what}${ofAdapter === null ? '' : ' to fold the adapter into'}`, {
      hint: 'an adapter is a folder with adapter_model.safetensors and adapter_config.json of PEFT',
    });
  }
  const factors = await weightsOf(repo, adapter.page, ofAdapter.snapshot, context);
  const plan = planAdapter([...factors.keys()], adapter.title);
  const targets = new Targets(await weightsOf(repo, ours, base.snapshot, context));
  const changed = new ChangedTensors();
  for (const [name, pair] of plan.pairs) {
    const placed = targets.floats(name, adapter.title);
    const given = {
      down: (factors.get(pair.down) as PlacedTensor).tensor,
      up: (factors.get(pair.up) as PlacedTensor).tensor,
      magnitude:
        pair.magnitude === null ? null : (factors.get(pair.magnitude) as PlacedTensor).tensor,
    };
    if (config.hasMagnitudes !== (given.magnitude !== null)) {
      const [has, says] = config.hasMagnitudes
        ? ['no magnitudes', 'says']
        : ['magnitudes', 'does not say'];
      throw new ConflictError(
        `'${adapter.title}' has ${has} of '${name}', though its configuration ${says} use_dora`,
        {
          tensor: name,
          hint: 'commit adapter_config.json and the tensors that PEFT saved together',
        },
      );
    }
    const isTransposed = config.isTransposed || pair.isEmbedding;
    const shapes = { down: given.down.shape, up: given.up.shape };
    const problem =
      factorsProblem(placed.tensor.shape, shapes, isTransposed) ?? magnitudeProblem(given);
    if (problem !== null || !isWritable(placed.tensor)) {
      const what = problem ?? `it is ${placed.tensor.dtype}`;
      throw new ConflictError(`'${adapter.title}' does not fit '${name}': ${what}`, {
        tensor: name,
        hint: isWritable(placed.tensor)
          ? 'fold it into the version that it was trained on'
          : FLOATS_HINT,
      });
    }
    const scale = adapterScale(config, name, given.down.shape[0] as number);
    const values = () => folded(repo, placed.tensor, given, { scale, isTransposed });
    changed.set(placed, bytesOfValues(placed.tensor, values, context));
  }
  const left: string[] = [];
  for (const [name, own] of plan.replaced) {
    const placed = targets.find(name);
    const { tensor } = factors.get(own) as PlacedTensor;
    const fits =
      placed !== undefined && JSON.stringify(placed.tensor.shape) === JSON.stringify(tensor.shape);
    if (fits && placed.tensor.dtype === tensor.dtype) {
      changed.set(placed, () => readTensor(repo, tensor));
    } else if (fits && isWritable(placed.tensor) && isWritable(tensor)) {
      changed.set(placed, bytesOfValues(placed.tensor, valuesOf(repo, tensor), context));
    } else left.push(name);
  }
  const files = await changed.store(repo, session, context);
  warnOfStaleFiles({ ours, written: files, isApart: isOwn }, context);
  const target: FilePage = { files, snapshots: ours.snapshots };
  return { changes: { target, removes: [] }, tensors: changed.count, left };
}

/** The tensors of an adapter for one weight. */
type GivenFactors = Record<'down' | 'up', StoredTensor> & { magnitude: StoredTensor | null };

/** What is wrong with the lengths of rows; null if nothing is. */
function magnitudeProblem({ up, magnitude }: GivenFactors): string | null {
  if (magnitude === null || elementCount(magnitude.shape) === up.shape[0]) return null;
  return `its magnitudes are ${magnitude.shape.join('×')} for ${up.shape[0]} rows`;
}

async function* folded(
  repo: LineAccess,
  weight: StoredTensor,
  { down, up, magnitude }: GivenFactors,
  how: Pick<Factors, 'scale' | 'isTransposed'>,
): AsyncGenerator<Float64Array> {
  const [a, b] = await loadTensors(repo, [down, up]);
  const rank = down.shape[0] as number;
  const factors: Factors = {
    ...how,
    down: widen(down.dtype, a as Uint8Array) as Float64Array,
    up: widen(up.dtype, b as Uint8Array) as Float64Array,
    rank,
    rows: up.shape[0] as number,
    columns: down.shape.slice(1).reduce((all, one) => all * one, 1),
  };
  const changed = async function* (): AsyncGenerator<{ piece: Float64Array; start: number }> {
    let start = 0;
    for await (const piece of valuesOf(repo, weight)()) {
      addFactors(piece, start, factors);
      yield { piece, start };
      start += piece.length;
    }
  };
  let lengths: Float64Array | null = null;
  if (magnitude !== null) {
    const [m] = await loadTensors(repo, [magnitude]);
    const wanted = widen(magnitude.dtype, m as Uint8Array) as Float64Array;
    const squares = new Float64Array(factors.rows);
    for await (const { piece, start } of changed()) addSquares(squares, piece, start, factors);
    lengths = squares.map((sum, row) => (wanted[row] as number) / Math.sqrt(sum));
  }
  for await (const { piece, start } of changed()) {
    if (lengths !== null) scaleRows(piece, start, lengths, factors);
    yield piece;
  }
}
