/** `dlv add` on the command line. */
import type { Command } from 'commander';
import type { AddResult } from '../../use/ops/add.js';
import { branchOf, branchOption, type Level, levelOption, parseStep } from '../arguments.js';
import { formatBytes, formatCount, formatDuration } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  model?: string;
  branch?: string;
  step?: string;
  force?: boolean;
  rehash?: boolean;
  follow?: boolean;
  approximate?: boolean;
  all?: boolean;
  update?: boolean;
  dryRun?: boolean;
  verbose?: boolean;
  level?: Level;
}

const EXAMPLE: AddResult = {
  model: 'mnist',
  branch: 'main',
  files: [
    {
      path: 'model.safetensors',
      status: 'added',
      bytes: 5733472,
      format: 'safetensors',
      tensors: 26,
    },
  ],
  logicalBytes: 5733472,
  storedBytes: 4731392,
  metadataBytes: 2320,
  dryRun: false,
  seconds: 0.31,
};

/** The model; with its branch where that was chosen. */
function placeOf({ model, branch }: AddResult): string {
  return branch === null ? model : `${model}/${branch}`;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'add', {
      summary: 'store files and stage them for the next version',
      about:
        'Stores files, folders and globs, and stages them. In folders, files that .dlvignore or ' +
        ".gitignore names are skipped (see 'dlv help ignore'), and tracked files that no longer " +
        'exist are staged as removed. The content is stored now: later edits do not change what ' +
        'is staged. dlv detects the format from the content: safetensors, ONNX, PyTorch or ' +
        'NumPy. Any other file is stored as it is.\n\nQuote globs, so that dlv expands them and ' +
        'not the shell: * and ? match within one name, ** matches any folders, [a-z] and [!a-z] ' +
        'match one character, {a,b} matches either text, and \\ escapes the next character. A ' +
        'glob that matches a folder selects all files in it. Names that begin with a dot are ' +
        'matched like any others. checkout, restore, rm, diff and log use the same globs; ' +
        '.dlvignore uses the patterns of .gitignore.\n\nSymbolic links are skipped with a ' +
        'warning. With --follow, dlv reads through links that are named and through links in the ' +
        'given folders, as in a model cache, where snapshots/… are links into blobs/…. The ' +
        "target of a link, even outside of the work tree, is stored as a regular file. 'dlv " +
        "status' then compares through the link and reports nothing while the content is the " +
        'same. A checkout that would have to write through a link fails. checkout --force, reset ' +
        '--hard, and restore of a named file replace the link by a regular file, whatever it ' +
        'points to; restore and reset --hard fail if one of the folders above the file is a ' +
        'link. Cycles and links into .dlv are skipped.\n\nA file that checkout --planes wrote is ' +
        'refused, so that it does not replace the exact one, unless --approximate is given.\n\nA file ' +
        'that may not be read is an error, after the others were staged; a folder that may not be ' +
        'read, and holds no tracked file, is skipped with a warning.',
      examples: [
        ['dlv add model.safetensors config.json', 'stages two files for the model that HEAD names'],
        ['dlv add .', 'stages everything that is not ignored'],
        ['dlv add -u', 'stages what changed of the files that are tracked'],
        ["dlv add 'runs/**/*.pt' --model bert", 'stages what the glob matches for the model bert'],
        ["dlv add 'ckpt/{last,best}.pt'", 'stages two files of a folder'],
        ['dlv add --branch bert/run-2 out', 'stages a folder for another branch; HEAD stays'],
        ['dlv add --follow snapshots/9c1f0e', 'stages files of a cache, which are links'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'no such file, a file of another model, or a file that may not be read or changed while it was read',
      },
    })
    .argument('[paths...]', 'files, folders or globs')
    .option('-A, --all', 'without paths: add the whole work tree')
    .option('-u, --update', 'only tracked files: the named ones, or all')
    .option('-n, --dry-run', 'only print what would be staged')
    .option('-v, --verbose', 'list each file (the default)')
    .option('--model <name>', "model that new files belong to (default: HEAD's)")
    .addOption(branchOption('branch to stage them for'))
    .option('--step <n>', 'training step of these files')
    .option('-f, --force', 'add ignored files that are named')
    .option('--follow', 'read through symbolic links')
    .option('--approximate', 'also approximate copies, which checkout --planes wrote')
    .option('--rehash', 'read every file, even if its size and times are unchanged')
    .addOption(levelOption('effort of the encoder (default: the setting codec.level)'))
    .action(
      cli.action(async (run, paths: string[], flags: Flags) => {
        const { add } = await import('../../use/ops/add.js');
        const { step, update, verbose: _, branch, ...rest } = flags;
        const options = {
          ...rest,
          ...branchOf(branch, run.env),
          paths,
          ...(update ? { trackedOnly: true } : {}),
          ...(step === undefined ? {} : { step: parseStep(step) }),
        };
        const result = await run.repository((repo) => add(repo, options, run.context));
        run.report(result, (ui) => {
          const touched = result.files.filter((file) => file.status !== 'unchanged');
          for (const file of touched) {
            const what =
              file.tensors > 0 ? ` (${file.format}, ${formatCount(file.tensors, 'tensor')})` : '';
            ui.note(`${file.status} '${file.path}'${what}`);
          }
          if (result.dryRun) {
            ui.note(
              `${formatCount(touched.length, 'file')} would be staged for '${placeOf(result)}'`,
            );
            return;
          }
          ui.note(
            result.logicalBytes === 0
              ? `${formatCount(touched.length, 'file')} staged for '${placeOf(result)}'`
              : `${formatCount(touched.length, 'file')} staged for '${placeOf(result)}': ` +
                  `${formatBytes(result.logicalBytes)} read, ` +
                  `${formatBytes(result.storedBytes)} stored; ${formatDuration(result.seconds)}`,
          );
        });
        return 0;
      }),
    );
}
