/**
 * Layers that construct spells out in several operators, in onnxruntime, beside PyTorch's layers with the same weights. Needs a
 * Python with torch, onnx and onnxruntime (DLV_TEST_PYTHON); without it the test says so loudly and checks nothing.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { newFile } from '../helpers/edit-network.js';
import { tempDir } from '../helpers/temp-dir.js';

const CHAINS = {
  attention:
    'INPUT(12) -> EMBED(size = 50, units = 16) -> ATTN(heads = 4) -> LAYERNORM -> RMSNORM -> FULL(units = 4)',
  lstm: 'INPUT(12, 6) -> LSTM(units = 8, last = true, bidirectional = true) -> FULL(units = 3)',
  gru: 'INPUT(12, 6) -> GRU(units = 8) -> FULL(units = 3)',
  group: `INPUT(8, 6, 6) -> GROUPNORM(groups = 4) -> DECONV(units = 4, kernel = 2, stride = 2) -> INSTANCENORM -> PRELU
   -> GLOBALAVGPOOL -> FULL(units = 2)`,
};

const COMPARE = `
import sys, onnx, onnxruntime, numpy as np, torch
F = torch.nn.functional
torch.manual_seed(0)
def load(name):
    file = f'{sys.argv[1]}/{name}.onnx'
    onnx.checker.check_model(file, full_check=True)
    session = onnxruntime.InferenceSession(file)
    weights = {t.name: torch.tensor(onnx.numpy_helper.to_array(t)) for t in onnx.load(file).graph.initializer}
    return session, weights
def order(w, gates): # iofc of ONNX as ifgo of PyTorch; zrh as rzn
    parts = list(w.chunk(gates))
    return torch.cat([parts[i] for i in ([0, 2, 3, 1] if gates == 4 else [1, 0, 2])])
def fill(layer, W, gates):
    for d, end in enumerate(['', '_reverse'][: W['rnn1.weight'].shape[0]]):
        getattr(layer, 'weight_ih_l0' + end).copy_(order(W['rnn1.weight'][d], gates))
        getattr(layer, 'weight_hh_l0' + end).copy_(order(W['rnn1.recurrent'][d], gates))
        getattr(layer, 'bias_ih_l0' + end).zero_()
        getattr(layer, 'bias_hh_l0' + end).zero_()
    return layer
def attention(x, W):
    h = W['embed1.weight'][torch.tensor(x).long()]
    a = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    a.in_proj_weight.copy_(torch.cat([W[f'attn1.{k}.weight'].T for k in 'qkv']))
    a.out_proj.weight.copy_(W['attn1.out.weight'].T)
    a.in_proj_bias.zero_(), a.out_proj.bias.zero_()
    h = F.layer_norm(a(h, h, h)[0], [16])
    return (h / torch.sqrt((h * h).mean(-1, keepdim=True) + 1e-5)) @ W['fc1.weight']
def lstm(x, W):
    h = fill(torch.nn.LSTM(6, 8, batch_first=True, bidirectional=True), W, 4)(torch.tensor(x))[1][0]
    return torch.cat([h[0], h[1]], 1) @ W['fc1.weight'].T
def gru(x, W):
    return fill(torch.nn.GRU(6, 8, batch_first=True), W, 3)(torch.tensor(x))[0] @ W['fc1.weight']
def group(x, W):
    h = F.conv_transpose2d(F.group_norm(torch.tensor(x), 4), W['deconv1.weight'], stride=2)
    return F.prelu(F.instance_norm(h), torch.tensor([0.25])).mean((2, 3)) @ W['fc1.weight'].T
with torch.no_grad():
    for name, model in dict(attention=attention, lstm=lstm, gru=gru, group=group).items():
        session, weights = load(name)
        one = session.get_inputs()[0]
        x = np.random.RandomState(1).rand(3, *one.shape[1:]).astype('f') * (49 if name == 'attention' else 2)
        theirs = model(x, weights).numpy()
        ours = session.run(None, {one.name: x})[0]
        assert ours.shape == theirs.shape and np.abs(theirs).max() > 0, name
        print(name, float(np.abs(ours - theirs).max()))
`;

test('attention, recurrent layers and norms are those of PyTorch', async (t) => {
  const python = process.env.DLV_TEST_PYTHON ?? 'python3';
  const dir = await tempDir(t);
  const env = { ...process.env, TMPDIR: dir }; // onnxruntime leaves a file there
  const needs = spawnSync(python, ['-c', 'import torch, onnx, onnxruntime'], { env });
  if (needs.status !== 0) {
    t.log(
      `SKIPPED: ${python} has no torch, onnx and onnxruntime (set DLV_TEST_PYTHON): NOT compared`,
    );
    t.pass();
    return;
  }
  for (const [name, chain] of Object.entries(CHAINS)) {
    await fs.writeFile(
      path.join(dir, `${name}.onnx`),
      await newFile(`construct m as ${chain} seed 3`),
    );
  }
  const { stdout, stderr, status } = spawnSync(python, ['-c', COMPARE, dir], {
    encoding: 'utf8',
    env,
  });
  t.is(status, 0, stderr);
  const found = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  t.deepEqual(found.map(([name]) => name).sort(), Object.keys(CHAINS).sort());
  for (const [name, difference] of found)
    t.true(Number(difference) < 1e-5, `${name} ${difference}`);
});
