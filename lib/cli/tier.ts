/** `dlv archive --tier`: its flags, its question, and what it prints. */
import { createInterface } from 'node:readline/promises';
import { type Command, Option } from 'commander';
import { UsageError } from '../base/errors.js';
import { parseTier } from '../pure/tensor/tier.js';
import type { TierOptions, TierResult } from '../use/ops/tier.js';
import { parseCount } from './arguments.js';
import { formatErrors, shortId } from './output/render.js';
import { formatBytes, formatCount, formatDuration, type Ui } from './output/ui.js';
import type { Run } from './run.js';

/** Flags of `dlv archive` that belong to tiers. */
export interface TierFlags {
  tier?: string;
  codebook?: string;
  seed?: string;
  yes?: boolean;
  dryRun?: boolean;
}

/** Declares the flags. `--dry-run` is the command's own. */
export function addTierOptions(command: Command): Command {
  return command
    .option('--tier <name>', 'replace exact bytes: bf16, fp16, fixed<k>, quant<k> or normalised')
    .addOption(
      new Option(
        '--codebook <kind>',
        'codes of quant<k>: evenly spaced over the range, or drawn at random',
      ).choices(['uniform', 'random']),
    )
    .option('--seed <n>', 'seed of --codebook random (default: 0)')
    .option('--yes', 'do not ask before giving up exact bytes or letting the repository grow');
}

/** True if a flag of tiers is given. */
export function isForTier(flags: TierFlags): boolean {
  const { tier, codebook, seed } = flags;
  if (tier !== undefined) return true;
  if (codebook === undefined && seed === undefined) return false;
  throw new UsageError('--codebook and --seed belong to --tier');
}

/** Runs `dlv archive --tier`. @returns the exit code: 1 if the user said no. */
export async function runTier(
  run: Run,
  revisions: readonly string[],
  flags: TierFlags,
): Promise<number> {
  const { tierVersions } = await import('../use/ops/tier.js');
  const { codebook, seed, yes, dryRun } = flags;
  const seedNumber = seed === undefined ? undefined : parseCount(seed, '--seed');
  const tier = parseTier(flags.tier ?? '', codebook, seedNumber);
  if (!yes && !dryRun && !canAsk(run)) {
    throw new UsageError('a tier gives up exact bytes for good: nothing was changed', {
      option: '--yes',
      hint: '--dry-run shows what would be given up; then add --yes',
    });
  }
  let refused = false;
  const confirm = async (preview: TierResult): Promise<boolean> => {
    print(run.ui, preview, true);
    const given = await ask(`give up these exact bytes for good? type 'yes': `);
    refused = !given;
    return given;
  };
  const options: TierOptions = {
    revisions,
    tier,
    ...(dryRun ? { dryRun } : {}),
    ...(yes || dryRun ? {} : { confirm }),
  };
  const result = await run.repository((repo) => tierVersions(repo, options, run.context));
  if (refused) run.ui.note('nothing was changed');
  else run.report(result, (ui) => print(ui, result, dryRun === true));
  return refused ? 1 : 0;
}

/** True if somebody sits there who can answer. */
export function canAsk(run: Run): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true && !run.ui.json;
}

/** True if the answer is 'yes'. */
export async function ask(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(question)).trim() === 'yes';
  } finally {
    lines.close();
  }
}

function print(ui: Ui, result: TierResult, preview: boolean): void {
  const { versions, replacedExtents, sharedExtents, exactBytes, tierBytes, baseBytes } = result;
  for (const { version, name, files } of versions) {
    const title = `${ui.style.yellow(shortId(version))} ${ui.style.cyan(name)}`;
    ui.line(files.length === 0 ? `${title} stays as it is` : title);
    for (const file of files) ui.line(`  ${file.path}: ${formatErrors(file)}`);
  }
  const would = preview ? 'would be' : 'were';
  if (sharedExtents > 0) {
    ui.note(
      `${formatCount(sharedExtents, 'extent')} stay exact: other versions, tags or staged files need them`,
    );
  }
  if (replacedExtents === 0) {
    ui.note('there is nothing to replace');
    return;
  }
  ui.line(
    `${formatCount(replacedExtents, 'extent')} ${would} replaced by ${result.tier}: ` +
      `${formatBytes(exactBytes)} of exact bytes by ${formatBytes(tierBytes)}`,
  );
  if (baseBytes > 0) {
    ui.note(
      `${formatBytes(baseBytes)} of them are still bases of other deltas: 'dlv archive' re-encodes those`,
    );
  }
  if (!preview) ui.note("'dlv gc' drops the exact bytes (at once with --prune=now)");
  if (!preview) ui.note(formatDuration(result.seconds));
}

/** What `dlv archive --help` says of tiers. */
export const TIER_ABOUT =
  'With --tier, and only then, exact bytes are given up: the float tensors of the named versions ' +
  'are stored as bf16, fp16, fixed<k> (k bits, one exponent for each tensor), quant<k> (2^k codes ' +
  'for each tensor) or normalised (fixed23), unless another version needs them exactly. This ' +
  'cannot be undone, so the command asks, or needs --yes. log, show and diff mark such a version, ' +
  "and checkout needs --accept-tier. A version tagged by 'dlv tag --exact' is refused. The JSON " +
  'document then has tier, versions (files with path, extents, elements, maxAbs, rms and ' +
  'relative), errors, replacedExtents, sharedExtents, exactBytes, tierBytes, baseBytes and done.';
