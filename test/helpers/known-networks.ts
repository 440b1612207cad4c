/** Networks whose counts are published, made operator by operator from the tables of their papers. */
import type {
  Attribute,
  Graph,
  GraphNode,
  Network,
  Parameter,
} from '../../lib/pure/network/network.js';

/** Makes a graph node by node; every method gives the name of what it made. */
class Builder {
  readonly #nodes: GraphNode[] = [];
  readonly #parameters: Parameter[] = [];
  readonly #shape: number[];
  #count = 0;

  constructor(shape: number[]) {
    this.#shape = shape;
  }

  parameter(name: string, shape: number[], values: number[] | null = null): string {
    const dtype = values === null ? 'F32' : 'I64';
    this.#parameters.push({ name, dtype, shape, values, tensor: name });
    return name;
  }

  node(op: string, inputs: string[], attributes: Record<string, number | number[]> = {}): string {
    const output = `v${this.#count++}`;
    const list = Object.entries(attributes).map(([name, value]): Attribute => {
      return typeof value === 'number'
        ? { name, kind: 'int', value }
        : { name, kind: 'ints', value };
    });
    const node = { name: output, op, domain: '', inputs, outputs: [output], attributes: list };
    this.#nodes.push({ ...node, bodies: [], scopes: [] });
    return output;
  }

  conv(
    from: string,
    [inside, outside, kernel]: [number, number, number],
    { stride = 1, pad = 0, group = 1, bias = true } = {},
  ): string {
    const name = `conv${this.#count}`;
    const inputs = [
      from,
      this.parameter(`${name}.weight`, [outside, inside / group, kernel, kernel]),
    ];
    if (bias) inputs.push(this.parameter(`${name}.bias`, [outside]));
    const pads = [pad, pad, pad, pad];
    return this.node('Conv', inputs, { strides: [stride, stride], pads, group });
  }

  norm(from: string, channels: number): string {
    const name = `bn${this.#count}`;
    const parts = ['weight', 'bias', 'running_mean', 'running_var'];
    return this.node('BatchNormalization', [
      from,
      ...parts.map((part) => this.parameter(`${name}.${part}`, [channels])),
    ]);
  }

  pool(from: string, kernel: number, stride: number, pad = 0): string {
    return this.node('MaxPool', [from], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    });
  }

  full(from: string, inside: number, outside: number): string {
    const name = `fc${this.#count}`;
    const inputs = [from, this.parameter(`${name}.weight`, [outside, inside])];
    return this.node('Gemm', [...inputs, this.parameter(`${name}.bias`, [outside])], { transB: 1 });
  }

  /** x·W + b on the last dimension. */
  linear(from: string, inside: number, outside: number): string {
    const name = `linear${this.#count}`;
    const product = this.node('MatMul', [
      from,
      this.parameter(`${name}.weight`, [inside, outside]),
    ]);
    return this.node('Add', [product, this.parameter(`${name}.bias`, [outside])]);
  }

  relu(from: string): string {
    return this.node('Relu', [from]);
  }

  done(output: string, dtype: 'F32' | 'I64' = 'F32'): Network {
    const graph: Graph = {
      name: 'known',
      inputs: [{ name: 'x', dtype, shape: this.#shape }],
      outputs: [{ name: output, dtype: 'F32', shape: null }],
      parameters: this.#parameters,
      nodes: this.#nodes,
      stated: [],
    };
    return { producer: 'test', opsets: new Map([['', 17]]), graph };
  }
}

/** LeNet-5 with 6, 16 and 120 maps, on 32 × 32. */
export function lenet5(): Network {
  const b = new Builder([1, 1, 32, 32]);
  let x = b.pool(b.conv('x', [1, 6, 5]), 2, 2);
  x = b.pool(b.conv(x, [6, 16, 5]), 2, 2);
  x = b.node('Flatten', [b.conv(x, [16, 120, 5])]);
  return b.done(b.full(b.full(x, 120, 84), 84, 10));
}

/** AlexNet as torchvision has it. */
export function alexnet(): Network {
  const b = new Builder([1, 3, 224, 224]);
  let x = b.pool(b.relu(b.conv('x', [3, 64, 11], { stride: 4, pad: 2 })), 3, 2);
  x = b.pool(b.relu(b.conv(x, [64, 192, 5], { pad: 2 })), 3, 2);
  x = b.relu(b.conv(x, [192, 384, 3], { pad: 1 }));
  x = b.relu(b.conv(x, [384, 256, 3], { pad: 1 }));
  x = b.pool(b.relu(b.conv(x, [256, 256, 3], { pad: 1 })), 3, 2);
  x = b.node('Flatten', [x]);
  x = b.relu(b.full(x, 9216, 4096));
  return b.done(b.full(b.relu(b.full(x, 4096, 4096)), 4096, 1000));
}

/** AlexNet as Caffe's model zoo has it: groups of 2, LRN, 227 × 227. */
export function caffeAlexnet(): Network {
  const b = new Builder([1, 3, 227, 227]);
  const norm = (from: string): string => b.node('LRN', [from], { size: 5 });
  let x = b.pool(norm(b.relu(b.conv('x', [3, 96, 11], { stride: 4 }))), 3, 2);
  x = b.pool(norm(b.relu(b.conv(x, [96, 256, 5], { pad: 2, group: 2 }))), 3, 2);
  x = b.relu(b.conv(x, [256, 384, 3], { pad: 1 }));
  x = b.relu(b.conv(x, [384, 384, 3], { pad: 1, group: 2 }));
  x = b.pool(b.relu(b.conv(x, [384, 256, 3], { pad: 1, group: 2 })), 3, 2);
  x = b.node('Flatten', [x]);
  x = b.relu(b.full(x, 9216, 4096));
  return b.done(b.full(b.relu(b.full(x, 4096, 4096)), 4096, 1000));
}

export function vgg(depth: 16 | 19): Network {
  const b = new Builder([1, 3, 224, 224]);
  const repeats = depth === 16 ? [2, 2, 3, 3, 3] : [2, 2, 4, 4, 4];
  let x = 'x';
  let inside = 3;
  for (const [stage, outside] of [64, 128, 256, 512, 512].entries()) {
    for (let i = 0; i < repeats[stage]!; i++) {
      x = b.relu(b.conv(x, [inside, outside, 3], { pad: 1 }));
      inside = outside;
    }
    x = b.pool(x, 2, 2);
  }
  x = b.node('Flatten', [x]);
  x = b.relu(b.full(x, 25_088, 4096));
  return b.done(b.full(b.relu(b.full(x, 4096, 4096)), 4096, 1000));
}

/** @param early strides in the first convolution of a block, as the paper has it; else in the second. */
export function resnet(depth: 18 | 50 | 152, early = false): Network {
  const b = new Builder([1, 3, 224, 224]);
  const blocks = { 18: [2, 2, 2, 2], 50: [3, 4, 6, 3], 152: [3, 8, 36, 3] }[depth];
  const wide = depth === 18 ? 1 : 4;
  const plain = (from: string, size: [number, number, number], more = {}): string =>
    b.norm(b.conv(from, size, { bias: false, ...more }), size[1]);
  let x = b.relu(plain('x', [3, 64, 7], { stride: 2, pad: 3 }));
  x = b.pool(x, 3, 2, 1);
  let inside = 64;
  for (const [stage, width] of [64, 128, 256, 512].entries()) {
    for (let i = 0; i < blocks[stage]!; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1;
      const outside = width * wide;
      const isOther = stride !== 1 || inside !== outside;
      const short = isOther ? plain(x, [inside, outside, 1], { stride }) : x;
      let y: string;
      if (wide === 1) {
        y = b.relu(plain(x, [inside, width, 3], { stride, pad: 1 }));
        y = plain(y, [width, width, 3], { pad: 1 });
      } else {
        y = b.relu(plain(x, [inside, width, 1], { stride: early ? stride : 1 }));
        y = b.relu(plain(y, [width, width, 3], { stride: early ? 1 : stride, pad: 1 }));
        y = plain(y, [width, outside, 1]);
      }
      x = b.relu(b.node('Add', [y, short]));
      inside = outside;
    }
  }
  x = b.node('Flatten', [b.node('GlobalAveragePool', [x])]);
  return b.done(b.full(x, inside, 1000));
}

export function mobilenetV2(): Network {
  const b = new Builder([1, 3, 224, 224]);
  const plain = (from: string, size: [number, number, number], more = {}): string =>
    b.norm(b.conv(from, size, { bias: false, ...more }), size[1]);
  const act = (from: string): string => b.relu(from);
  let x = act(plain('x', [3, 32, 3], { stride: 2, pad: 1 }));
  let inside = 32;
  const rows = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ] as const;
  for (const [factor, outside, repeats, first] of rows) {
    for (let i = 0; i < repeats; i++) {
      const stride = i === 0 ? first : 1;
      const width = inside * factor;
      let y = factor === 1 ? x : act(plain(x, [inside, width, 1]));
      y = act(plain(y, [width, width, 3], { stride, pad: 1, group: width }));
      y = plain(y, [width, outside, 1]);
      x = stride === 1 && inside === outside ? b.node('Add', [x, y]) : y;
      inside = outside;
    }
  }
  x = act(plain(x, [320, 1280, 1]));
  x = b.node('Flatten', [b.node('GlobalAveragePool', [x])]);
  return b.done(b.full(x, 1280, 1000));
}

/** The encoder with its pooler; the batch is 1. */
export function bert({ layers = 12, hidden = 768, inner = 3072, length = 128 } = {}): Network {
  const b = new Builder([1, length]);
  const heads = 12;
  const embed = (name: string, rows: number): string =>
    b.parameter(`embeddings.${name}.weight`, [rows, hidden]);
  const norm = (from: string): string => {
    const name = `norm_${from}`;
    const parts = [b.parameter(`${name}.weight`, [hidden]), b.parameter(`${name}.bias`, [hidden])];
    return b.node('LayerNormalization', [from, ...parts], { axis: -1 });
  };
  const words = b.node('Gather', [embed('word_embeddings', 30_522), 'x']);
  const places = b.parameter(
    'position_ids',
    [1, length],
    Array.from({ length }, (_, i) => i),
  );
  const positions = b.node('Gather', [embed('position_embeddings', 512), places]);
  const kinds = b.parameter('token_types', [1, length], new Array<number>(length).fill(0));
  const types = b.node('Gather', [embed('token_type_embeddings', 2), kinds]);
  let x = norm(b.node('Add', [b.node('Add', [words, types]), positions]));
  const split = b.parameter('split', [4], [1, length, heads, hidden / heads]);
  const joined = b.parameter('joined', [3], [1, length, hidden]);
  const byHead = (from: string, perm: number[]): string =>
    b.node('Transpose', [b.node('Reshape', [from, split])], { perm });
  for (let layer = 0; layer < layers; layer++) {
    const query = byHead(b.linear(x, hidden, hidden), [0, 2, 1, 3]);
    const key = byHead(b.linear(x, hidden, hidden), [0, 2, 3, 1]);
    const value = byHead(b.linear(x, hidden, hidden), [0, 2, 1, 3]);
    const weights = b.node('Softmax', [b.node('MatMul', [query, key])], { axis: -1 });
    const mixed = b.node('Transpose', [b.node('MatMul', [weights, value])], { perm: [0, 2, 1, 3] });
    const attended = b.linear(b.node('Reshape', [mixed, joined]), hidden, hidden);
    x = norm(b.node('Add', [x, attended]));
    const grown = b.node('Gelu', [b.linear(x, hidden, inner)]);
    x = norm(b.node('Add', [x, b.linear(grown, inner, hidden)]));
  }
  const first = b.node('Gather', [x, b.parameter('zero', [], [0])], { axis: 1 });
  return b.done(b.node('Tanh', [b.full(first, hidden, hidden)]), 'I64');
}
