/** What a study is asked for, and what it answers. */
import type { Id } from '../../base/bytes/hash.js';
import type { ExecutorKind } from '../../knowledge/training/executors/executor.js';
import type { Importance } from '../../pure/search/importance.js';
import type { Assignment } from '../../pure/search/space.js';
import type { StudySource } from './study-sources.js';
import type { TrialState } from './trial-record.js';
import type { TrialFacts } from './trial-version.js';

export interface StudyOptions {
  /** Trials that train at once; default: by cores and memory. */
  workers?: number;
  /** Where trials train; default: as the settings say, else on this machine. */
  executor?: ExecutorKind;
  /** Plans and runs nothing. */
  dryRun?: boolean;
  /** Model of the trials; default: the name that the statement gives. */
  model?: string;
  /** Told of the plan, before anything runs, and of each trial that ends. */
  onPlan?(plan: StudyPlan): void;
  onTrial?(trial: StudyTrial): void;
  /** Told of each trial that begins or goes on, and of what its trainer says. */
  onProgress?(trial: TrialProgress): void;
}

/** How far a trial is that has not ended. */
export interface TrialProgress {
  number: number;
  trial: string;
  state: 'waiting' | 'running';
  source: string;
  assignment: Assignment;
  /** Steps that it has made, and has to make until the next rule. */
  iteration: number;
  until: number;
  /** What was reported last. */
  values: Readonly<Record<string, number | null>>;
}

/** What a study will do at most. */
export interface StudyPlan {
  study: string;
  sources: StudySource[];
  cells: number;
  /** Of each source and cell; found by `method`, null where all values are given. */
  trialsOfCell: number;
  method: 'random' | 'tpe' | null;
  trials: number;
  rungs: { after: number; rule: string }[];
  iterations: number;
  /** Steps of all trials, if every rule keeps as many as it may. */
  steps: number;
  seed: number;
  /** Where trials train, and how many at once. */
  executor: ExecutorKind;
  place: string;
  /** Whether less of what the last rule looks at is better. */
  isLess: boolean;
  workers: number;
}

/** A trial, as it is told of. */
export interface StudyTrial {
  number: number;
  trial: string;
  state: TrialState;
  source: string;
  assignment: Assignment;
  iterations: number;
  rungs: TrialFacts['rungs'];
  seconds: number;
  message: string | null;
  version: Id | null;
  /** `model@number` */
  name: string | null;
  /** True if an earlier run has trained it. */
  isKnown: boolean;
}

export interface StudyResult {
  study: string;
  model: string;
  dryRun: boolean;
  plan: StudyPlan;
  trials: StudyTrial[];
  /** Names of the versions that every rule kept, the best first. */
  kept: string[];
  /** Trials that an earlier trial of the study had said already, and were not run. */
  duplicates: number;
  /** What the first rule looks at, and whether less of it is better; null without a rule. */
  metric: string | null;
  isLess: boolean;
  /** What each setting matters by itself; null for fewer than 20 trials that reached the first rule. */
  importance: Importance[] | null;
}

/** The metric of a study over the steps of one trial. */
export interface TrialCurve {
  trial: string;
  steps: number[];
  values: number[];
}
