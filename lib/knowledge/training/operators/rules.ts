/** The operators that can be trained, each with its rule. */
import type { Builder } from '../builder.js';
import { add, gemm, matMul } from './dense.js';
import {
  concat,
  dropout,
  identity,
  leakyRelu,
  relu,
  reshape,
  sigmoid,
  softmax,
  tanh,
} from './elementwise.js';
import { batchNorm } from './norm.js';
import { averagePool, conv, globalAveragePool, globalMaxPool, maxPool } from './windows.js';

/** Adds the steps of a node, forward and back. @throws {UsageError} for attributes that cannot be trained. */
type OperatorRule = (build: Builder) => void;

export const OPERATOR_RULES: ReadonlyMap<string, OperatorRule> = new Map(
  Object.entries({
    Add: add,
    AveragePool: averagePool,
    BatchNormalization: batchNorm,
    Concat: concat,
    Conv: conv,
    Dropout: dropout,
    Flatten: reshape,
    Gemm: gemm,
    GlobalAveragePool: globalAveragePool,
    GlobalMaxPool: globalMaxPool,
    Identity: identity,
    LeakyRelu: leakyRelu,
    MatMul: matMul,
    MaxPool: maxPool,
    Relu: relu,
    Reshape: reshape,
    Sigmoid: sigmoid,
    Softmax: softmax,
    Squeeze: reshape,
    Tanh: tanh,
    Unsqueeze: reshape,
  }),
);
