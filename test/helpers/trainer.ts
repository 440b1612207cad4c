/** A trainer for tests of `dlv run`: a script of Node that writes real checkpoints as it is told. */
import fs from 'node:fs/promises';
import path from 'node:path';

/**
 * The script. Its words are steps: `folder 10`, `file 10`, `plain 10` (a file whose number no word explains), `last` (a copy of the newest of them), `inplace`, `rename`, `cut 30`, `wait 500`, `print …`, `log …`,
 * `exit 3`, `hang`; `below student`: folders and files that come after it are in `out/student`. Each checkpoint that is whole is noted in `whole.jsonl` with the sha256 of its files, before what is older
 * is removed.
 */
const SCRIPT = `
const fs = require('fs'), path = require('path'), { createHash } = require('crypto');
const words = process.argv.slice(2), kept = [];
if (process.env.DEAF === '1') process.on('SIGINT', () => {});
const limit = Number(process.env.LIMIT ?? '99'), beat = Number(process.env.BEAT ?? '700');
const pause = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
let settled = 0;
/** Goes on when dlv holds all that was written, or after the beat where no test asks for that. */
function rest() {
  settled++;
  if (process.env.WAIT !== '1') return pause(beat);
  const file = '.dlv/runs/' + process.env.DLV_RUN + '/run.json';
  for (let i = 0; i < 400; i++) {
    pause(50);
    const { checkpoints } = JSON.parse(fs.readFileSync(file, 'utf8'));
    if (checkpoints.filter(({ state }) => state === 'held' || state === 'committed').length >= settled) return;
  }
}
function weights(seed) {
  const values = new Float32Array(20000);
  for (let i = 0, x = seed + 1; i < values.length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    values[i] = i < 10000 ? i / 1e4 : x / 2 ** 32;
  }
  const header = Buffer.from(JSON.stringify({ w: { dtype: 'F32', shape: [200, 100], data_offsets: [0, values.byteLength] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.from(values.buffer)]);
}
const sha = (file) => createHash('sha256').update(fs.readFileSync(file)).digest('hex');
function note(place, files) {
  const hashes = Object.fromEntries(files.map((name) => [name, sha(name === '' ? place : path.join(place, name))]));
  fs.appendFileSync('whole.jsonl', JSON.stringify({ place, files: hashes, time: Date.now() }) + '\\n');
}
function rotate(place) {
  kept.push(place);
  while (kept.length > limit) fs.rmSync(kept.shift(), { recursive: true });
}
let out = 'out';
fs.mkdirSync(out, { recursive: true });
for (let i = 0, n = 1; i < words.length; i++) {
  const word = words[i];
  if (word === 'folder') {
    const step = words[++i], place = out + '/checkpoint-' + step;
    fs.mkdirSync(place, { recursive: true });
    const bytes = weights(Number(step));
    const fd = fs.openSync(path.join(place, 'model.safetensors'), 'w');
    fs.writeSync(fd, bytes.subarray(0, 40000));
    pause(100);
    fs.writeSync(fd, bytes.subarray(40000));
    fs.closeSync(fd);
    fs.writeFileSync(path.join(place, 'training_args.bin'), 'args');
    pause(100);
    fs.writeFileSync(path.join(place, 'trainer_state.json'), JSON.stringify({ global_step: Number(step), epoch: Number(step) / 25, log_history: [{ step: Number(step), eval_loss: 1 / Number(step) }] }));
    note(place, ['model.safetensors', 'training_args.bin', 'trainer_state.json']);
    rotate(place);
    rest();
  } else if (word === 'file' || word === 'plain') {
    const step = words[++i], place = out + (word === 'file' ? '/net_step_' : '/ck-') + step + '.safetensors';
    fs.writeFileSync(place, weights(Number(step)));
    note(place, ['']);
    rotate(place);
    rest();
  } else if (word === 'last') {
    fs.copyFileSync(kept.at(-1), out + '/last.safetensors');
    rest();
  } else if (word === 'inplace' || word === 'rename') {
    const place = 'out/best.safetensors', to = word === 'rename' ? place + '.tmp' : place;
    const bytes = weights(1000 + n++);
    const fd = fs.openSync(to, 'w');
    fs.writeSync(fd, bytes.subarray(0, 30000));
    pause(50);
    fs.writeSync(fd, bytes.subarray(30000));
    fs.closeSync(fd);
    if (word === 'rename') fs.renameSync(to, place);
    note('out', ['best.safetensors']);
    rest();
  } else if (word === 'below') fs.mkdirSync((out = 'out/' + words[++i]), { recursive: true });
  else if (word === 'cut') {
    const step = words[++i], place = out + '/checkpoint-' + step;
    fs.mkdirSync(place, { recursive: true });
    fs.writeFileSync(path.join(place, 'model.safetensors'), weights(Number(step)).subarray(0, 50000));
  } else if (word === 'wait') pause(Number(words[++i]));
  else if (word === 'print') console.log(words[++i]);
  else if (word === 'log') fs.appendFileSync('out/log.jsonl', words[++i] + '\\n');
  else if (word === 'exit') process.exit(Number(words[++i]));
  else if (word === 'hang') pause(600000);
}
`;

/** Writes the script into a folder. @returns the words that run it. */
export async function writeTrainer(dir: string): Promise<string[]> {
  await fs.writeFile(path.join(dir, 'trainer.cjs'), SCRIPT);
  return [process.execPath, 'trainer.cjs'];
}

/** A checkpoint that a trainer had finished: sha256 of each file, by its path below the place. */
export interface WholeCheckpoint {
  place: string;
  files: Record<string, string>;
  /** When it was, milliseconds since 1970. */
  time: number;
}

/** The checkpoints that the trainer of a folder had finished. */
export async function wholeCheckpoints(dir: string): Promise<WholeCheckpoint[]> {
  const text = await fs.readFile(path.join(dir, 'whole.jsonl'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as WholeCheckpoint);
}
