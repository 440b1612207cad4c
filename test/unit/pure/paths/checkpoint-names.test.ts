/** What names of checkpoint files say: roles, series and numbers of real trainers. */
import test from 'ava';
import {
  metricsOfName,
  type NamedRole,
  roleOfName,
  seriesOf,
} from '../../../../lib/pure/paths/checkpoint-names.js';

test('roles: files of real trainers by name, and nothing of the network', (t) => {
  const roles: Record<string, NamedRole | null> = {
    'checkpoint-500/optimizer.pt': 'optimizer',
    'checkpoint-500/scheduler.pt': 'scheduler',
    'checkpoint-500/rng_state.pth': 'rng',
    'checkpoint-500/rng_state_3.pth': 'rng',
    'random_states_0.pkl': 'rng',
    'checkpoint-500/scaler.pt': 'scaler',
    'checkpoint-500/training_args.bin': 'trainer',
    'checkpoint-500/trainer_state.json': 'trainer',
    'tokenizer.json': 'tokenizer',
    'tokenizer_config.json': 'tokenizer',
    'vocab.txt': 'tokenizer',
    'spiece.model': 'tokenizer',
    'config.json': 'config',
    'adapter_config.json': 'config',
    'config_sentence_transformers.json': 'config',
    'global_step10/zero_pp_rank_0_mp_rank_00_optim_states.pt': 'optimizer',
    'pytorch_model_fsdp_0/__0_0.distcp': null,
    'optimizer_0/__0_0.distcp': 'optimizer',
    'model.safetensors': null,
    'pytorch_model.bin': null,
    'adapter_model.safetensors': null,
    'optimizer-study/model.pt': null,
    'scheduler.py': null,
    'my_config.safetensors': null,
    'model.safetensors.index.json': null,
  };
  for (const [path, role] of Object.entries(roles)) t.is(roleOfName(path), role, path);
});

test('series: the outermost numbered folder or file, and what its checkpoints share', (t) => {
  const places: [string, string | null, string?, number?][] = [
    ['checkpoint-500/model.safetensors', 'checkpoint-*', 'checkpoint-500', 500],
    ['runs/a/checkpoint-20/global_step20/x.pt', 'runs/a/checkpoint-*', 'runs/a/checkpoint-20', 20],
    ['epoch=3-step=120.ckpt', 'epoch=*-step=*.ckpt', 'epoch=3-step=120.ckpt', 120],
    ['epoch=3-val_loss=0.25.ckpt', 'epoch=*-val_loss=*.ckpt', 'epoch=3-val_loss=0.25.ckpt', 3],
    ['step_7/model.npz', 'step_*', 'step_7', 7],
    ['step_7-00001-of-00002.pt', 'step_*-*-of-*.pt', 'step_7-00001-of-00002.pt', 7],
    ['bert-2.pt', null],
    ['last.ckpt', null],
    ['model.safetensors', null],
  ];
  for (const [path, series, checkpoint, step] of places) {
    t.deepEqual(seriesOf(path), series === null ? null : { series, checkpoint, step }, path);
  }
});

test('numbers that a name holds', (t) => {
  const found = metricsOfName('runs/epoch=03-step=120-val_loss=0.25-acc=-1.5.ckpt');
  t.deepEqual(
    [...found],
    [
      ['epoch', 3],
      ['step', 120],
      ['val_loss', 0.25],
      ['acc', -1.5],
    ],
  );
});
