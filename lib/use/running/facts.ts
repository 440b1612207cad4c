/**
 * What a run says of where it runs: machine, programs, packages, the state of the code. Everything is asked beside the
 * command, which does not wait, and what does not answer in time is left out.
 */
import { execFile } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { readSmallFile } from '../../base/files/files.js';
import { readSystemText } from '../../base/files/process.js';
import { findProgram } from '../../base/files/processes/program.js';
import { isSecretName, maskText } from '../../pure/logs/command-words.js';

const TIMEOUT_MS = 20_000;
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
const VALUE_CHARS_MAX = 1000;

/** Variables that change what a training does, and hold no secrets. All others are left out. */
const VARIABLES =
  /^(CUDA_(VISIBLE_DEVICES|LAUNCH_BLOCKING|DEVICE_ORDER|HOME)|CUBLAS_WORKSPACE_CONFIG|HIP_VISIBLE_DEVICES|ROCR_VISIBLE_DEVICES|NVIDIA_TF32_OVERRIDE|OMP_NUM_THREADS|MKL_NUM_THREADS|OPENBLAS_NUM_THREADS|NUMEXPR_NUM_THREADS|KMP_AFFINITY|PYTHONHASHSEED|PYTHONPATH|PL_GLOBAL_SEED|(GLOBAL_)?SEED|WORLD_SIZE|RANK|LOCAL_RANK|NODE_RANK|MASTER_PORT|NCCL_[A-Z_]+|TORCH_[A-Z_]+|PYTORCH_[A-Z_]+|TF_(?!CLI_|PLUGIN_|REATTACH|VAR_|TOKEN_|LOG_PATH|DATA_DIR|WORKSPACE|INPUT|IN_AUTOMATION)[A-Z_]+|XLA_FLAGS|JAX_[A-Z_]+|TOKENIZERS_PARALLELISM|HF_HUB_OFFLINE|TRANSFORMERS_OFFLINE|SLURM_(JOB_ID|JOB_NAME|NNODES|NTASKS|PROCID|CPUS_PER_TASK|GPUS_ON_NODE)|CONDA_DEFAULT_ENV)$/;

/** Answer of a program; null if it is not there, failed, or took too long. */
function ask(file: string, args: readonly string[], cwd: string): Promise<string | null> {
  const options = {
    cwd,
    timeout: TIMEOUT_MS,
    maxBuffer: OUTPUT_BYTES_MAX,
    encoding: 'utf8' as const,
  };
  return new Promise((resolve) => {
    try {
      const child = execFile(file, args, options, (error, stdout) =>
        resolve(error === null ? stdout : null),
      );
      child.stdin?.end();
      if (child.pid !== undefined) {
        try {
          os.setPriority(child.pid, 19);
        } catch {
          // It may be gone already.
        }
      }
    } catch {
      resolve(null);
    }
  });
}

/** The machine and what it was told: known at once. */
export function machineFacts(env: NodeJS.ProcessEnv): Record<string, string> {
  const cpus = os.cpus();
  const facts: Record<string, string> = {
    os: `${os.type()} ${os.release()} ${os.arch()}`,
    cpu: (cpus[0]?.model ?? '').trim() || 'unknown',
    cpus: String(os.availableParallelism()),
    memory: `${Math.round(os.totalmem() / 2 ** 20)} MiB`,
  };
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !VARIABLES.test(name) || isSecretName(name)) continue;
    if (value === '' || value.length > VALUE_CHARS_MAX || /\p{Cc}/u.test(value)) continue;
    facts[`env.${name}`] = maskText(value);
  }
  return facts;
}

/** Graphics processors, as their driver tells. */
export async function gpuFacts(cwd: string): Promise<Record<string, string>> {
  if (readSystemText('/proc/driver/nvidia/version') === null) return {};
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader'];
  const said = await ask('nvidia-smi', query, cwd);
  const facts: Record<string, string> = {};
  for (const [i, line] of (said ?? '').trim().split('\n').filter(Boolean).slice(0, 64).entries()) {
    facts[`gpu.${i}`] = line.replace(/\p{Cc}/gu, ' ').slice(0, VALUE_CHARS_MAX);
  }
  return facts;
}

const PYTHON = /^python[\d.]*$/;

/** The Python that a command runs: itself, that of its script's first line, or one among its words. */
export async function pythonOf(
  words: readonly string[],
  where: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<string | null> {
  for (const word of words.slice(0, 4)) {
    if (PYTHON.test(path.basename(word))) return findProgram(word, where);
  }
  const program = await findProgram(words[0] as string, where);
  if (program === null) return null;
  try {
    const head = await readSmallFile(program, 1 << 20);
    const first = Buffer.from(head.subarray(0, 512)).toString('latin1').split('\n')[0] as string;
    const found = /^#!\s*(\S+)(?:\s+(\S+))?/.exec(first);
    const named = [found?.[1], found?.[2]].find((word) => PYTHON.test(path.basename(word ?? '')));
    return named === undefined ? null : await findProgram(named, where);
  } catch {
    return null;
  }
}

/** Prints its version, and a line `name==version` for each package. Reads files of the packages alone. */
const LIST_PACKAGES = `
import sys, platform
print(platform.python_version())
try:
    from importlib.metadata import distributions
    seen = {}
    for d in distributions():
        n = d.metadata["Name"] if d.metadata is not None else None
        if n: seen[n.lower()] = n + "==" + str(d.version)
    for k in sorted(seen): print(seen[k])
except Exception: pass
`;

/** Version and packages of a Python; null if it does not answer. */
export async function pythonFacts(
  python: string,
): Promise<{ version: string; packages: string[] } | null> {
  // Where it starts it looks for modules first, and those of a trainer may have the names of Python's.
  const said = await ask(python, ['-c', LIST_PACKAGES], path.parse(process.cwd()).root);
  const [version, ...packages] = (said ?? '').split('\n').filter(Boolean);
  return version === undefined ? null : { version, packages };
}

/** Packages that say most of a training: they are facts of the version itself. */
export const TOLD_PACKAGES =
  /^(torch|transformers|numpy|tensorflow|jax|flax|keras|lightning|pytorch-lightning|accelerate|peft|deepspeed|safetensors|scikit-learn|xgboost|diffusers|datasets|tokenizers)==/i;
