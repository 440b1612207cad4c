/** BatchNormalization: with the statistics of the batch in training, with running ones else. */
import { operation } from '../../../base/native/compute.js';
import { numberOf } from '../../../pure/network/network.js';
import type { Builder } from '../builder.js';
import { sizeOf, type Weight } from '../values.js';

export function batchNorm(build: Builder): void {
  const { node } = build;
  const x = build.value(0);
  const [images = 1, channels = 1, ...rest] = x.shape;
  const places = sizeOf(rest);
  const scale = build.weight(1, 'scale', 1);
  const shift = build.weight(2, 'shift', 1);
  const statistics = runningOf(build, channels);
  for (const { slot, name } of [scale, shift]) {
    if (slot.size !== channels)
      throw build.refuse(`has ${slot.size} numbers in '${name}' for ${channels} channels`);
  }
  const epsilon = numberOf(node, 'epsilon') ?? 1e-5;
  const momentum = 1 - (numberOf(node, 'momentum') ?? 0.9);
  const isTrained = [x, scale, shift].some(({ slot }) => slot.needsBack);
  const y = build.output(x.shape, isTrained);
  const [mean, spread] = [build.room(channels), build.room(channels)];
  const words = (X: number, Y: number, back: number, dx: number): number[] => [
    ...[images, channels, places, X, Y, scale.slot.at, shift.slot.at],
    ...[mean, spread, statistics, back, dx],
  ];
  const floats = [epsilon, momentum];
  const forward = words(x.slot.at, y.slot.at, -1, -1);
  build.forward(operation('norm', forward, floats), 'training');
  build.forward(operation('normFixed', forward, floats), 'running');
  build.backward(y, () => {
    const dy = build.gradient(y);
    const both = build.room(2 * channels);
    const back = (dx: number): number[] =>
      operation('normBack', words(x.slot.at, dy, both, dx), floats);
    if (x.slot.needsBack) build.into(x.slot, back);
    else build.back.push(back(-1));
    for (const [i, { slot }] of [scale, shift].entries()) {
      build.into(slot, (at) => operation('sum', [channels, both + i * channels, at, 0], [1, 0]));
    }
  });
}

/** Running mean and variance, which stand side by side in the arena. */
function runningOf(build: Builder, channels: number): number {
  const mean = build.weight(3, 'mean', 1);
  const variance = build.weight(4, 'variance', 1);
  if (mean.slot.size !== channels || variance.slot.size !== channels) {
    throw build.refuse(`has running statistics that are not of ${channels} channels`);
  }
  const place = (weight: Weight, at: number): void => {
    weight.slot.at = at;
  };
  if (variance.slot.at !== mean.slot.at + channels) {
    const at = build.room(2 * channels);
    place(mean, at);
    place(variance, at + channels);
  }
  return mean.slot.at;
}
