/**
 * ONNX models: every initializer, Constant and attribute tensor becomes a tensor of the layout, in
 * the main graph, in bodies of If, Loop and Scan, in functions, and in external data files.
 *
 * Fixed-width data (raw_data, packed float_data and double_data) are extents. Varints and strings
 * stay literal: no tensor can view them. Start at `layoutOf`.
 */

import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { quoteSome } from '../../../base/bytes/words/wording.js';
import { SMALL_TENSOR_BYTES } from '../../../base/limits.js';
import { pathProblem } from '../../paths/version-path.js';
import { DTYPES, dtypeBytes } from '../../tensor/dtype.js';
import { blobLayout, elementCount, type FileLayout, type TensorSpan } from '../../tensor/layout.js';
import { corrupt, type FormatReader } from '../format.js';
import { CHARGES, type MemoryBudget } from '../memory-budget.js';
import { buildSpans, type SpanClaim } from '../spans.js';
import { TensorNames } from '../tensor-names.js';
import { readModel } from './onnx-graph.js';
import { matchesOnnx } from './onnx-match.js';
import type { RawAttribute, RawGraph, RawModel, RawNode } from './onnx-model.js';
import { OnnxScanner } from './onnx-scanner.js';
import type { RawSparseTensor, RawTensor } from './onnx-tensor.js';

/** Reads `.onnx` files. */
export const onnxReader: FormatReader = {
  name: 'onnx',
  matches: matchesOnnx,
  async layout(source, signal) {
    const scan = new OnnxScanner(source, { tensorsOnly: true }, signal);
    return layoutOf(source, await readModel(scan), scan.budget);
  },
};

/** What is gathered for one file: the model itself or one external data file. */
interface Gathered {
  claims: SpanClaim[];
  tensors: TensorSpan[];
}

class Collector {
  readonly source: ByteSource;
  readonly own: Gathered = { claims: [], tensors: [] };
  readonly external = new Map<string, Gathered>();
  readonly #budget: MemoryBudget;
  readonly #names: TensorNames;
  readonly #refusedPaths = new Map<string, string>();
  /** Why → names of the tensors that stay bytes. */
  readonly #literal = new Map<string, string[]>();

  constructor(source: ByteSource, budget: MemoryBudget) {
    this.source = source;
    this.#budget = budget;
    this.#names = new TensorNames(budget);
  }

  graph(graph: RawGraph, prefix: string): void {
    for (const [i, tensor] of graph.initializers.entries()) {
      this.tensor(tensor, prefix + (tensor.name || `initializer#${i}`));
    }
    for (const [i, sparse] of graph.sparseInitializers.entries()) {
      this.sparse(sparse, prefix + (sparse.values?.name || `sparse_initializer#${i}`));
    }
    this.nodes(graph.nodes, prefix);
  }

  nodes(nodes: readonly RawNode[], prefix: string): void {
    for (const [i, node] of nodes.entries()) {
      const label = prefix + (node.name || `${node.opType}#${i}`);
      const isConstant = node.opType === 'Constant' && node.outputs[0];
      for (const attribute of node.attributes) {
        const owns = isConstant && /^(sparse_)?value$/.test(attribute.name);
        this.attribute(attribute, owns ? prefix + node.outputs[0] : `${label}/${attribute.name}`);
      }
    }
  }

  attribute(attribute: RawAttribute, name: string): void {
    if (attribute.kind === 'tensor') this.tensor(attribute.value, name);
    else if (attribute.kind === 'sparse') this.sparse(attribute.value, name);
    else if (attribute.kind === 'graph') this.graph(attribute.value, `${name}/`);
    else if (attribute.kind === 'tensors') {
      for (const [i, tensor] of attribute.value.entries()) this.tensor(tensor, `${name}/${i}`);
    } else if (attribute.kind === 'sparses') {
      for (const [i, sparse] of attribute.value.entries()) this.sparse(sparse, `${name}/${i}`);
    } else if (attribute.kind === 'graphs') {
      for (const [i, graph] of attribute.value.entries()) this.graph(graph, `${name}/${i}/`);
    }
  }

  sparse(sparse: RawSparseTensor, name: string): void {
    if (sparse.values) this.tensor(sparse.values, `${name}.values`);
    if (sparse.indices) this.tensor(sparse.indices, `${name}.indices`);
  }

  tensor(tensor: RawTensor, name: string): void {
    const { data } = tensor;
    if (data.kind === 'inline') this.#add(this.own, tensor, name, data.offset);
    else if (data.kind === 'external') this.#addExternal(tensor, name, data);
    else if (data.why === 'unknown') {
      this.#keepBytes(`have a type or form that is not known (data type ${tensor.dataType})`, name);
    } else if (data.why === 'absent') {
      this.#keepBytes('have no data in the file', name);
    } else if (data.bytes >= SMALL_TENSOR_BYTES) {
      this.#keepBytes(`hold their elements as ${data.why}s`, name);
    }
  }

  #keepBytes(why: string, name: string): void {
    const names = this.#literal.get(why) ?? [];
    this.#budget.charge(CHARGES.text + 2 * name.length);
    names.push(name);
    this.#literal.set(why, names);
  }

  #add(into: Gathered, tensor: RawTensor, name: string, offset: number): void {
    const { dtype, shape } = tensor;
    if (dtype === null) return;
    const bytes = shape.includes(0) ? 0 : dtypeBytes(dtype, elementCount(shape));
    if (!Number.isSafeInteger(offset + bytes)) {
      throw corrupt(this.source, `tensor '${name}' has bytes beyond 2^53`);
    }
    this.#budget.chargeTensor(name, shape.length);
    this.#budget.charge(CHARGES.claim + CHARGES.extent);
    into.claims.push({ offset, bytes, width: DTYPES[dtype].width, byteSwap: false });
    into.tensors.push({
      name: this.#names.add(name),
      dtype,
      shape,
      strides: null,
      offset,
      role: 'weights',
    });
  }

  #addExternal(
    tensor: RawTensor,
    name: string,
    data: { location: string; offset: number; length: number | null },
  ): void {
    const { dtype, shape } = tensor;
    if (dtype === null) return;
    // Exporters on Windows write backslashes, which no path of a version has.
    const path = data.location
      .split(/[/\\]/)
      .filter((part) => part !== '.')
      .join('/');
    const own = this.source.name.split(/[/\\]/).at(-1);
    const reason = path === own ? 'it is the model itself' : pathProblem(path);
    if (reason !== null) {
      this.#refusedPaths.set(data.location, reason);
      return;
    }
    const wanted = shape.includes(0) ? 0 : dtypeBytes(dtype, elementCount(shape));
    // Some exporters count the padding behind a tensor.
    if (data.length !== null && data.length < wanted) {
      this.#keepBytes('have external data that is too short for their shape', name);
      return;
    }
    const into = this.external.get(path) ?? { claims: [], tensors: [] };
    this.external.set(path, into);
    this.#add(into, tensor, name, data.offset);
  }

  warnings(): string[] {
    const made: string[] = [];
    for (const [why, names] of this.#literal) {
      made.push(`tensors ${why} and are kept as bytes: ${quoteSome(names)}`);
    }
    for (const [location, reason] of this.#refusedPaths) {
      made.push(`external data '${location}' is not followed: ${reason}`);
      if (made.length > 100) break;
    }
    return made;
  }
}

/** The layout of the model in `source`, with one layout more for each external data file. */
function layoutOf(source: ByteSource, model: RawModel, budget: MemoryBudget): FileLayout {
  const all = new Collector(source, budget);
  budget.charge(model.metadata.length * CHARGES.range);
  all.graph(model.graph, '');
  for (const [i, info] of model.training.entries()) {
    if (info.initialization) all.graph(info.initialization, `training#${i}/initialization/`);
    if (info.algorithm) all.graph(info.algorithm, `training#${i}/algorithm/`);
  }
  for (const made of model.functions) {
    const overload = made.overload ? `:${made.overload}` : '';
    all.nodes(made.nodes, `${made.domain}::${made.name}${overload}/`);
  }
  const external = [...all.external].sort(([a], [b]) => (a < b ? -1 : 1));
  const layouts = external.map(([path, found]) => {
    return { path, layout: budget.layout(finish('onnx-data', found)) };
  });
  return budget.layout({
    ...finish('onnx', all.own),
    // Exporters write the epoch, the loss or the date here.
    variable: model.metadata.map(({ start, end }) => {
      return { offset: start, length: end - start, fixedLength: false };
    }),
    references: external.map(([path]) => path),
    external: layouts,
    warnings: all.warnings(),
  });
}

function finish(format: string, found: Gathered): FileLayout {
  return { ...blobLayout(), format, extents: buildSpans(found.claims), tensors: found.tensors };
}
