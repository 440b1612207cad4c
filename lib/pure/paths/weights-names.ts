/** Which files have weights, as far as their names tell. */
import { roleOfName } from './checkpoint-names.js';

/** Files with these endings hold weights, where a name numbers them. */
export const WEIGHTS =
  /\.(safetensors|pt|pth|ptl|bin|ckpt|onnx|npz|npy|gguf|h5|hdf5|keras|pkl|pickle|msgpack|distcp|tflite|eqx|joblib|pdparams|zip|(pth|pt)\.tar)$|(?<![a-z])(iter|step|epoch)[-_]?\d+$/i;
/** The same where no name numbers them: data has many of the endings above. */
export const LOOSE_WEIGHTS =
  /\.(safetensors|pt|pth|ptl|ckpt|onnx|gguf|h5|hdf5|keras|distcp|tflite|eqx|pdparams|(pth|pt)\.tar)$|model[\w.-]*\.(bin|npz|msgpack|zip)$/i;

/** True for a file that has weights, as far as its name tells. */
export function isWeightsFile(name: string): boolean {
  return WEIGHTS.test(name) && roleOfName(name) === null;
}

export function isRightInside(inside: string): boolean {
  return !inside.includes('/') && isWeightsFile(inside);
}

export function isLoose(name: string): boolean {
  return !WEIGHTS.test(name) || LOOSE_WEIGHTS.test(name) || roleOfName(name) !== null;
}
