/** `dlv cat` on the command line. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { CatFormat, CatResult } from '../../use/ops/cat.js';
import { placePath } from '../../use/worktree/operands/path-input.js';
import { parsePlanes, splitPlace } from '../arguments.js';
import { exampleId } from '../output/render.js';
import type { Cli } from '../run.js';

const EXAMPLE: CatResult = {
  version: exampleId('9c1f0e6f0b'),
  path: 'model.safetensors',
  tensor: { name: 'fc.weight', dtype: 'F32', shape: [10, 128] },
  format: 'raw',
  snapshot: null,
  others: [],
  tensors: 1,
  bytes: 5120,
  planes: null,
  file: null,
};

interface Flags {
  format?: CatFormat;
  acceptTier?: boolean;
  planes?: string;
  log?: string;
  toCache?: boolean;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'cat', {
      summary: 'write a file, a tensor or a log to stdout',
      about:
        'Writes the file as it was added, or the elements of one tensor, row-major and ' +
        'little-endian. --format safetensors writes one safetensors file. For a tensor it holds ' +
        'that tensor; for a file, all tensors of the file, whatever its format; for an index of ' +
        'shards, a folder or a version, the weights of one checkpoint: one without a step in its ' +
        'path if there is one, else the one with the last step (a warning names the others). ' +
        'Checksums are verified at the end: if the exit code is not 0, do not trust the output. ' +
        'With --json, no data is written, only a description of it.\n\nWith --planes <k>, only the ' +
        'k most significant bytes of each float are read from the disk; each value is the middle ' +
        'of what it can be, and safetensors output says in its metadata that it is approximate.' +
        '\n\nWith --to-cache, the bytes go into a file below .dlv, and its path is written instead. The ' +
        'next call finds that file, so that a program can map a version into memory at once. The file is ' +
        'never written again; it is deleted by gc, by forget, and when all such files take more than the ' +
        'setting cache.bytes.',
      examples: [
        ['dlv cat HEAD~1:model.safetensors > old.safetensors', 'a file of the previous version'],
        ['dlv cat HEAD:model.pt#fc.weight --format npy > fc.npy', 'one tensor, for NumPy'],
        ['dlv cat bert --format safetensors > bert.safetensors', 'the weights of a version'],
        ['dlv cat HEAD --format safetensors --planes 2 > rough.safetensors', 'half the bytes'],
        ['dlv cat HEAD --format safetensors --to-cache', 'where a program can map the weights'],
        ['dlv cat bert@3 --log train.log', 'a log of a version'],
        [
          'dlv cat HEAD:checkpoint-500 --format safetensors > old.safetensors',
          'the weights in one of its folders',
        ],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such version, file or tensor', 12: 'the stored bytes are damaged' },
    })
    .argument('<place>', '<rev>:<path>, <rev>:<path>#<tensor> or <rev>')
    .addOption(
      new Option('--format <format>', 'output format of tensors').choices([
        'raw',
        'npy',
        'safetensors',
      ]),
    )
    .option('--planes <k>', 'only the k leading bytes of each float, 1 to 8')
    .option('--log <name>', 'a log of the version, as dlv show lists it')
    .option('--to-cache', 'write into a file below .dlv and print its path')
    .option('--accept-tier', 'accept a file whose exact bytes a tier has replaced')
    .action(
      cli.action(async (run, place: string, flags: Flags) => {
        const { cat } = await import('../../use/ops/cat.js');
        const { ui } = run;
        const { planes, ...others } = flags;
        const own = planes === undefined ? others : { ...others, planes: parsePlanes(planes) };
        const sink = async (bytes: Uint8Array): Promise<boolean> => {
          await ui.bytes(bytes);
          return !run.outputClosed();
        };
        const result = await run.repository((repo) => {
          const { revision, path } = splitPlace(place);
          const from = (text: string) => placePath(repo.layout, run.context.cwd, text);
          const where = path === undefined ? { revision } : { revision, path: from(path) };
          const taken = run.data ?? (ui.json ? null : sink);
          return cat(repo, { ...where, ...own }, taken, run.context);
        });
        run.answer(result, () => {
          if (result.file !== null) ui.line(result.file);
        });
        return 0;
      }),
    );
}
