/** A record of a run that goes on, carried out by this process. */
import { ownIdentity } from '../../lib/storage/repo/processes/process-identity.js';
import { newRunId, type RunRecord } from '../../lib/storage/repo/runs/run-record.js';

export function runRecord(change: Partial<RunRecord> = {}): RunRecord {
  return {
    id: newRunId(),
    kind: 'command',
    name: null,
    command: ['python', 'train.py', '--lr', '1e-3'],
    cwd: '.',
    model: 'net',
    branch: 'run-1',
    base: null,
    started: 1000,
    ended: null,
    updated: Date.now(),
    state: 'running',
    code: null,
    signal: null,
    seconds: 1.5,
    cpuSeconds: 1.25,
    peakBytes: 1 << 30,
    process: ownIdentity(),
    child: { pid: 1, start: '5' },
    checkpointPattern: null,
    environment: { cpu: 'x' },
    params: { lr: '1e-3' },
    git: null,
    metrics: [{ name: 'loss', count: 2, step: 20, last: null }],
    checkpoints: [
      {
        ...{ n: 1, place: 'out/checkpoint-10', step: 10, files: 2, bytes: 30, time: 5 },
        ...{ isFolder: true, written: 4, series: 'out/checkpoint-*' },
        ...{ state: 'held', version: null, number: null, problem: null },
      },
    ],
    stretches: [],
    problems: [],
    ...change,
  };
}
