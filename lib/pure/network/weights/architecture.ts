/**
 * The architecture of a checkpoint without a network: what config.json beside it says, else what the names
 * and shapes of its tensors look like. Each answer says where it comes from.
 */
import type { CountedTensor } from '../cost/parameter-counts.js';

export interface Architecture {
  /** 'BertModel', 'LlamaForCausalLM', 'ResNet'. */
  name: string;
  /** 'a config.json', 'names and shapes of tensors'. */
  source: string;
  /** True if nothing but names and shapes says so. */
  isInferred: boolean;
  /** What is known of its sizes: layers, hidden size, heads, vocabulary. */
  sizes: Readonly<Record<string, number | string | boolean>>;
}

/** Fields of config.json that say how large a network is, in the order in which they are shown. */
const SIZES = [
  ...[
    'num_hidden_layers',
    'n_layer',
    'num_layers',
    'hidden_size',
    'n_embd',
    'd_model',
    'intermediate_size',
  ],
  ...['num_attention_heads', 'n_head', 'num_key_value_heads', 'head_dim', 'vocab_size'],
  ...[
    'max_position_embeddings',
    'n_positions',
    'tie_word_embeddings',
    'torch_dtype',
    'num_classes',
  ],
  ...['image_size', 'patch_size', 'r', 'lora_alpha', 'base_model_name_or_path'],
];

/** The architecture that a config.json, adapter_config.json or model_index.json says; null if it says none. */
export function architectureOfConfig(text: string, path: string): Architecture | null {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return null;
  const fields = new Map<string, unknown>(Object.entries(config));
  const listed = fields.get('architectures');
  const named = [
    Array.isArray(listed) ? listed[0] : undefined,
    ...['_class_name', 'architecture', 'model_type', 'peft_type'].map((key) => fields.get(key)),
  ].find((value) => typeof value === 'string' && value !== '' && value.length <= 200);
  if (typeof named !== 'string') return null;
  const sizes: Record<string, number | string | boolean> = {};
  for (const key of SIZES) {
    const value = fields.get(key);
    if (typeof value === 'number' || typeof value === 'boolean') sizes[key] = value;
    else if (typeof value === 'string' && value.length <= 200) sizes[key] = value;
  }
  return { name: named, source: path, isInferred: false, sizes };
}

/** Keys of a safetensors header's metadata that name an architecture, the surest first. */
const METADATA_NAMES = [
  'modelspec.architecture',
  'architecture',
  'model_type',
  'ss_base_model_version',
];
const METADATA_SIZES = [
  'modelspec.resolution',
  'ss_network_module',
  'ss_network_dim',
  'ss_network_alpha',
];

/** The architecture that the metadata of a safetensors file names; null if it names none. */
export function architectureOfMetadata(
  metadata: ReadonlyMap<string, string>,
  path: string,
): Architecture | null {
  const name = METADATA_NAMES.map((key) => metadata.get(key)).find(isShortText);
  if (name === undefined) return null;
  const sizes: Record<string, string> = {};
  for (const key of METADATA_SIZES) {
    const value = metadata.get(key);
    if (isShortText(value)) sizes[key] = value;
  }
  return { name, source: `the metadata of ${path}`, isInferred: false, sizes };
}

function isShortText(value: string | undefined): value is string {
  return value !== undefined && value !== '' && value.length <= 200;
}

/** Lines of a model card's front matter that say what a model is. */
const CARD_KEYS = ['base_model', 'library_name', 'pipeline_tag', 'model_name'];

/**
 * What the front matter of a model card (README.md) says: the model that this one derives from, if it names
 * one. Only lines of the form 'key: text' are read; lists and nested values say nothing here.
 */
export function architectureOfCard(text: string, path: string): Architecture | null {
  const found = /^---\r?\n([\s\S]{0,20000}?)\r?\n---\s*(\n|$)/.exec(text);
  if (found === null) return null;
  const fields = new Map<string, string>();
  for (const line of (found[1] as string).split('\n')) {
    const [, key = '', value = ''] = /^(\w+):\s*["']?([^"'#[\]{}]+?)["']?\s*$/.exec(line) ?? [];
    if (CARD_KEYS.includes(key) && isShortText(value)) fields.set(key, value);
  }
  const base = fields.get('base_model') ?? fields.get('model_name');
  if (base === undefined) return null;
  fields.delete('model_name');
  return {
    name: base,
    source: `the card ${path}`,
    isInferred: false,
    sizes: Object.fromEntries(fields),
  };
}

/** One architecture: names that its checkpoints have, all of them. */
interface Known {
  name: string;
  names: readonly RegExp[];
  /** The numbered list of its layers. */
  layers?: RegExp;
  /** A tensor whose last dimension is the hidden size, or its first the vocabulary. */
  hidden?: RegExp;
}

/** Known architectures by the names that their reference implementations give to tensors. The first that fits. */
const KNOWN: readonly Known[] = [
  {
    name: 'LoRA adapter',
    names: [/\.lora_A\.|lora_down\.weight$/, /\.lora_B\.|lora_up\.weight$/],
  },
  {
    name: 'Llama-like decoder',
    names: [/layers\.\d+\.self_attn\.q_proj\.weight$/, /layers\.\d+\.mlp\.gate_proj\.weight$/],
    layers: /layers\.(\d+)\.self_attn/,
    hidden: /embed_tokens\.weight$/,
  },
  {
    name: 'GPT-2',
    names: [/(^|\.)h\.\d+\.attn\.c_attn\.weight$/, /(^|\.)h\.\d+\.mlp\.c_fc\.weight$/],
    layers: /(^|\.)h\.(\d+)\.attn/,
    hidden: /wte\.weight$/,
  },
  {
    name: 'GPT-NeoX',
    names: [/layers\.\d+\.attention\.query_key_value\.weight$/],
    layers: /layers\.(\d+)\.attention/,
    hidden: /embed_in\.weight$/,
  },
  {
    name: 'BERT-like encoder',
    names: [
      /encoder\.layer\.\d+\.attention\.self\.query\.weight$/,
      /embeddings\.word_embeddings\.weight$/,
    ],
    layers: /encoder\.layer\.(\d+)\.attention/,
    hidden: /word_embeddings\.weight$/,
  },
  {
    name: 'DistilBERT',
    names: [/transformer\.layer\.\d+\.attention\.q_lin\.weight$/],
    layers: /transformer\.layer\.(\d+)\.attention/,
    hidden: /word_embeddings\.weight$/,
  },
  {
    name: 'T5',
    names: [/encoder\.block\.\d+\.layer\.0\.SelfAttention\.q\.weight$/, /shared\.weight$/],
    layers: /encoder\.block\.(\d+)\.layer/,
    hidden: /shared\.weight$/,
  },
  {
    name: 'Whisper',
    names: [/encoder\.conv1\.weight$/, /decoder\.layers\.\d+\.encoder_attn\.q_proj\.weight$/],
    layers: /decoder\.layers\.(\d+)\.encoder_attn/,
    hidden: /embed_tokens\.weight$/,
  },
  {
    name: 'Vision Transformer',
    names: [
      /(blocks|encoder\.layers?)\.\d+\.(attn\.qkv|self_attention\.in_proj_)/,
      /patch_embed|conv_proj/,
    ],
    layers: /(?:blocks|encoder\.layers?)\.(?:encoder_layer_)?(\d+)\./,
  },
  {
    name: 'Stable Diffusion U-Net',
    names: [/down_blocks\.\d+\.|input_blocks\.\d+\./, /(up_blocks|output_blocks)\.\d+\./],
  },
  {
    name: 'ResNet',
    names: [/(^|\.)layer1\.0\.conv1\.weight$/, /(^|\.)layer4\.0\.conv1\.weight$/],
  },
  {
    name: 'MobileNetV2',
    names: [/features\.1\.conv\.0\.0\.weight$/, /features\.18\.0\.weight$/],
  },
  {
    name: 'VGG',
    names: [/^features\.0\.weight$/, /^features\.2[48]\.weight$/, /^classifier\.6\.weight$/],
  },
  {
    name: 'AlexNet',
    names: [/^features\.0\.weight$/, /^features\.10\.weight$/, /^classifier\.6\.weight$/],
  },
];

/** Where an architecture comes from that nothing but tensors says. */
export const INFERRED_SOURCE = 'names and shapes of tensors';

/** The architecture that names and shapes look like; null if none fits. */
export function inferArchitecture(tensors: readonly CountedTensor[]): Architecture | null {
  const known = KNOWN.find(({ names }) =>
    names.every((pattern) => tensors.some(({ name }) => pattern.test(name))),
  );
  if (known === undefined) return null;
  const sizes: Record<string, number> = {};
  if (known.layers !== undefined) {
    const pattern = known.layers;
    const numbers = tensors.flatMap(({ name }) => {
      const found = pattern
        .exec(name)
        ?.slice(1)
        .findLast((text) => /^\d+$/.test(text ?? ''));
      return found === undefined ? [] : [Number(found)];
    });
    if (numbers.length > 0) sizes.layers = new Set(numbers).size;
  }
  const embedding = tensors.find(({ name }) => known.hidden?.test(name));
  if (embedding?.shape.length === 2) {
    sizes.vocabulary = embedding.shape[0] as number;
    sizes.hidden = embedding.shape[1] as number;
  }
  const name = known.name === 'ResNet' ? resnetName(tensors) : known.name;
  return { name, source: INFERRED_SOURCE, isInferred: true, sizes };
}

/** Blocks of the four stages, and convolutions in a block → depth. */
const RESNETS: Record<string, string> = {
  '2,2,2,2/2': 'ResNet-18',
  '3,4,6,3/2': 'ResNet-34',
  '3,4,6,3/3': 'ResNet-50',
  '3,4,23,3/3': 'ResNet-101',
  '3,8,36,3/3': 'ResNet-152',
};

function resnetName(tensors: readonly CountedTensor[]): string {
  const blocks = [1, 2, 3, 4].map((stage) => {
    const pattern = new RegExp(`(^|\\.)layer${stage}\\.(\\d+)\\.conv1\\.weight$`);
    return tensors.filter(({ name }) => pattern.test(name)).length;
  });
  const convs = tensors.some(({ name }) => /layer1\.0\.conv3\.weight$/.test(name)) ? 3 : 2;
  return RESNETS[`${blocks}/${convs}`] ?? `ResNet of ${blocks.join(', ')} blocks`;
}
