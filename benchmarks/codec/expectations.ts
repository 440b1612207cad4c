/**
 * What is expected of known files: pairs that names alone do not show, and how small they have to
 * be. Files are found by the end of their path; what a folder does not hold is not asked.
 */
import type { ModelFile, Pair } from './models.js';

export interface Expectation {
  base: string | null;
  child: string;
  /** File ÷ growth of the packs of a repository that holds the base, default level, at least. */
  packRatio?: number;
  /** Growth of the packs ÷ file, at most. */
  packShare?: number;
  /** The same as packRatio if differences may be exact only when read whole. */
  fullReadRatio?: number;
  /** Coded extents below those of XOR and Huffman codes per plane by this share, at least. */
  belowHuffman?: number;
  /** Nothing in common: not above the extents coded alone by more than UNRELATED_SHARE. */
  unrelated?: true;
}

/** What a related pair that is not listed has to save against XOR + Huffman. */
export const BELOW_HUFFMAN = 0.03;
export const UNRELATED_SHARE = 0.002;

const sgd = (step: string): string => `sgd/${step}.safetensors`;
const LAST = sgd('12-step03000');

export const EXPECTATIONS: readonly Expectation[] = [
  {
    base: sgd('11-step02750'),
    child: LAST,
    packRatio: 1.96,
    fullReadRatio: 1.99,
    belowHuffman: 0.08,
  },
  { base: sgd('10-step02500'), child: sgd('11-step02750'), belowHuffman: 0.08 },
  { base: sgd('08-step02000'), child: sgd('10-step02500'), belowHuffman: 0.06 },
  { base: sgd('04-step01000'), child: sgd('08-step02000'), belowHuffman: 0.06 },
  { base: sgd('04-step01000'), child: LAST, belowHuffman: 0.06 },
  {
    base: 'adam/11-step02750.safetensors',
    child: 'adam/12-step03000.safetensors',
    packRatio: 1.7,
    fullReadRatio: 1.73,
    belowHuffman: 0.08,
  },
  { base: LAST, child: 'ft-lowlr/05-step03500.safetensors', packRatio: 1.95, belowHuffman: 0.08 },
  { base: LAST, child: 'ft-frozen/05-step03500.safetensors', belowHuffman: 0.08 },
  { base: LAST, child: 'ft-transfer/05-step03500.safetensors' },
  { base: LAST, child: 'ft-head/01-step03050.safetensors', packRatio: 150 },
  {
    base: 'ft-head/01-step03050.safetensors',
    child: 'ft-head/05-step03250.safetensors',
    packRatio: 150,
  },
  { base: LAST, child: 'adam/12-step03000.safetensors', unrelated: true },
  { base: null, child: LAST, packRatio: 1.21 },
  { base: null, child: 'ch_PP-OCRv4_rec_infer.onnx', packRatio: 1.18 },
  { base: null, child: 'blazeface.safetensors', packShare: 0.45 },
  {
    base: '0.4.1624666670/lite.safetensors',
    child: '0.4.1633558788/lite.safetensors',
    packShare: 0.73,
  },
  { base: 'silero_vad_v5.onnx', child: 'silero_vad_v6.onnx', belowHuffman: 0.06 },
  { base: 'fashion-cnn-sgd-step03000.onnx', child: 'fashion-cnn-ft-lowlr-step03500.onnx' },
];

/** Pairs of fp32 files that are also measured rounded to 16 bits. */
export const ROUNDED_PAIRS: readonly (readonly [base: string, child: string])[] = [
  [sgd('11-step02750'), LAST],
  ['adam/11-step02750.safetensors', 'adam/12-step03000.safetensors'],
  [LAST, 'ft-lowlr/05-step03500.safetensors'],
];

function endsWith(model: ModelFile | null, tail: string | null): boolean {
  if (model === null || tail === null) return model === null && tail === null;
  return model.name === tail || model.name.endsWith(`/${tail}`);
}

/** What is expected of a pair; nothing special for most. */
export function expectationOf({ child, base }: Pair): Expectation | undefined {
  return EXPECTATIONS.find((e) => endsWith(child, e.child) && endsWith(base, e.base));
}

/** The model whose path ends so, if the folder holds it. */
export function findByTail(models: readonly ModelFile[], tail: string): ModelFile | undefined {
  return models.find((model) => endsWith(model, tail));
}

/** Listed pairs whose files are there. */
export function expectedPairs(models: readonly ModelFile[]): Pair[] {
  return EXPECTATIONS.flatMap(({ base, child }): Pair[] => {
    const to = findByTail(models, child);
    const from = base === null ? null : findByTail(models, base);
    return to === undefined || from === undefined ? [] : [{ child: to, base: from }];
  });
}
