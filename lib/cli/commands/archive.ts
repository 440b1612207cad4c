/** `dlv archive` on the command line. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../base/errors.js';
import { parseBudget } from '../../pure/plan/budget-text.js';
import type { ArchiveOptions, ArchiveResult, PlanWorth } from '../../use/ops/archive.js';
import { type Level, levelOption } from '../arguments.js';
import { collect } from '../flags.js';
import { printArchive, worthLine } from '../output/archive-report.js';
import { exampleId } from '../output/render.js';
import type { Cli, Run } from '../run.js';
import {
  addTierOptions,
  ask,
  canAsk,
  isForTier,
  runTier,
  TIER_ABOUT,
  type TierFlags,
} from '../tier.js';

interface Flags extends TierFlags {
  budget?: string[];
  scheme?: ArchiveOptions['scheme'];
  unit?: ArchiveOptions['unit'];
  planner?: ArchiveOptions['planner'];
  level?: Level;
  prefix: boolean;
  all?: boolean;
  timeLimit?: string;
  measure?: string;
  weighReads?: boolean;
}

const PLANNERS = 'auto mst spt last lmg-all modified-prim pas-mt pas-pt tree-dp'.split(' ');

const EXAMPLE: ArchiveResult = {
  savedBytes: -4683850,
  savedShare: -0.1246,
  slowestBefore: 16638128,
  slowestPlanned: 5221482,
  verdict: 'grows',
  dryRun: false,
  done: true,
  isDefaultBudget: false,
  scheme: 'independent',
  unit: 'bytes',
  budgets: ['1.5'],
  planners: ['exact'],
  storedBytesBefore: 37601854,
  storedBytes: 42285704,
  lowerBound: 42285704,
  gap: 0,
  optimal: true,
  within: true,
  impossible: 0,
  extents: 48,
  deltas: 27,
  candidates: 210,
  encodedExtents: 32,
  newSets: 1,
  retiredSets: 9,
  retiredBytes: 24117248,
  trashDays: 14,
  models: [
    {
      model: 'cnn',
      versions: 5,
      slowest: 'cnn@5',
      least: 4682842,
      kept: false,
      budget: 7024263,
      before: 16638128,
      planned: 5221482,
    },
  ],
  snapshots: [
    {
      version: exampleId('eb134e37ac'),
      model: 'cnn',
      number: 5,
      name: 'mnist@5',
      key: 'model.safetensors',
      role: 'weights',
      step: 3000,
      extents: 5,
      group: 0,
      least: 4682842,
      kept: false,
      before: 16638128,
      budget: 7024263,
      planned: 5221482,
      measured: { bytes: 5221482, ms: 21.4 },
    },
  ],
  seconds: 4.1,
};

/** @throws {UsageError} if a flag of plans is beside --tier: one of them would be ignored. */
function refusePlanFlags(flags: Flags): void {
  const { budget, scheme, unit, planner, level, all, timeLimit, prefix } = flags;
  const given = [budget, scheme, unit, planner, level, all, timeLimit].some(
    (flag) => flag !== undefined,
  );
  if (!given && prefix) return;
  throw new UsageError('--tier plans nothing', {
    option: '--tier',
    hint: "run 'dlv archive' with the budget afterwards: it plans what the tier left",
  });
}

function options(revisions: string[], flags: Flags): ArchiveOptions {
  const timeLimit = flags.timeLimit === undefined ? undefined : Number(flags.timeLimit);
  if (timeLimit !== undefined && !(timeLimit > 0)) {
    throw new UsageError(`--time-limit takes seconds, not '${flags.timeLimit}'`, {
      option: '--time-limit',
    });
  }
  if (flags.measure !== undefined && !/^\d{1,4}$/.test(flags.measure)) {
    throw new UsageError(`--measure takes a number of times, not '${flags.measure}'`, {
      option: '--measure',
    });
  }
  return {
    revisions,
    noPrefix: !flags.prefix,
    ...(flags.budget ? { budgets: flags.budget.map(parseBudget) } : {}),
    ...(flags.level ? { level: flags.level } : {}),
    ...(flags.scheme ? { scheme: flags.scheme } : {}),
    ...(flags.unit ? { unit: flags.unit } : {}),
    ...(flags.planner ? { planner: flags.planner } : {}),
    ...(flags.all ? { all: true } : {}),
    ...(flags.dryRun ? { dryRun: true } : {}),
    ...(flags.weighReads ? { weighReads: true } : {}),
    ...(flags.measure === undefined ? {} : { measure: Number(flags.measure) }),
    ...(timeLimit === undefined ? {} : { timeLimit }),
  };
}

/** A plan that keeps the promise may need more bytes than there are now. @throws {UsageError} */
async function askGrowth(run: Run, plan: PlanWorth): Promise<boolean> {
  const says = worthLine(plan, { done: false });
  if (canAsk(run)) {
    run.context.progress.finish();
    return ask(`${says}; do it? type 'yes': `);
  }
  throw new UsageError(`the plan ${says}: nothing was changed`, {
    option: '--yes',
    hint: '--yes does it all the same, --dry-run shows the plan, a larger --budget needs fewer bytes',
  });
}

export function register(program: Command, cli: Cli): void {
  const command = cli
    .command(program, 'archive', {
      summary: 'find the smallest storage that still rebuilds fast enough, and use it',
      about:
        'You say how fast each snapshot must come back; dlv finds the smallest storage that ' +
        'meets this budget and re-encodes the repository. A budget is a factor of the least ' +
        "possible cost (1.5), a number of bytes read (300MB), a time (400ms) or 'none', for all " +
        'snapshots or for those of one model or version (bert=1.2). If no budget was ever given, ' +
        'it is 2, and a plan that saves little is only shown. A plan that makes the repository ' +
        'larger by more than 1 % asks first, or needs --yes. Snapshots planned in an earlier run are not planned ' +
        'again unless the budgets change or --all is given. Every version stays byte-exact. ' +
        'Replaced packs stay in .dlv/trash, where they take space, until gc deletes them: after 14 days, or at ' +
        "once with 'dlv gc --prune=now'. If a run is interrupted, the " +
        'next one resumes it.\n\n' +
        TIER_ABOUT,
      examples: [
        [
          'dlv archive --budget 1.5 --dry-run',
          'the plan, what it saves, and how close it is to the best possible',
        ],
        ['dlv archive --budget 1.5', 'no snapshot costs more than 1.5 times the least to read'],
        [
          'dlv archive --budget 4 --budget bert/main=1 --unit ms',
          'the version that is served comes back fastest',
        ],
        ['dlv archive --budget 400ms --scheme parallel', 'each tensor within 400 ms, all at once'],
        [
          'dlv archive --tier bf16 bert@1 bert@2 --dry-run',
          'what two versions would lose, and the space saved',
        ],
        ['dlv archive', 'if it is worth it, with the budgets of the last run or 2'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'a budget cannot be met, or a version is protected (nothing was changed)',
        2: 'also where the plan would make the repository more than 1 % larger and --yes is not given (nothing was changed)',
        12: 'the repository is damaged: see dlv fsck',
      },
    })
    .argument(
      '[revisions...]',
      'plan only these versions again; with --tier: the versions to replace',
    )
    .option(
      '--budget <limit>',
      "[<revision or model>=]<factor|bytes|time|'none'>; repeatable (that of the last run, else 2)",
      collect,
    )
    .addOption(
      new Option('--scheme <name>', 'how the tensors of a snapshot are rebuilt').choices([
        'independent',
        'parallel',
        'reusable',
      ]),
    )
    .addOption(
      new Option('--unit <unit>', 'the unit that a factor multiplies').choices(['bytes', 'ms']),
    )
    .addOption(
      new Option('--planner <name>', 'planner to use; auto tries all and uses the best').choices(
        PLANNERS,
      ),
    )
    .addOption(levelOption('effort of the encoder'))
    .option('--no-prefix', 'also allow smaller deltas that can only be read whole')
    .option('--all', 'plan all snapshots again')
    .option('--time-limit <seconds>', 'time limit for planning, without measuring (60)')
    .option('--measure <times>', 'how often to rebuild each snapshot to measure it (1); 0: never')
    .option('--weigh-reads', 'use tighter factors for versions that are checked out often')
    .option('--dry-run', 'only print what would be done');
  addTierOptions(command).action(
    cli.action(async (run, revisions: string[], flags: Flags) => {
      if (isForTier(flags)) {
        refusePlanFlags(flags);
        return runTier(run, revisions, flags);
      }
      const { archive } = await import('../../use/ops/archive.js');
      const asked: ArchiveOptions = {
        ...options(revisions, flags),
        ...(flags.yes ? {} : { confirmGrowth: (plan: PlanWorth) => askGrowth(run, plan) }),
      };
      const result = await run.repository((repo) => archive(repo, asked, run.context));
      const say = result.done ? run.report : run.answer;
      say(result, (ui) => printArchive(ui, result));
      return result.within ? 0 : 1;
    }),
  );
}
