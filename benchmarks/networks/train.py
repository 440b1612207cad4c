"""Trains the two networks of this folder on images 1000 to 9999 of the Fashion-MNIST test set: train.py <folder of the set> <out>"""
import gzip, sys
import numpy as np, jax, jax.numpy as jnp
import onnx
from onnx import helper as h, numpy_helper as nh, TensorProto as T

data = sys.argv[1]; out = sys.argv[2]
def idx(name, skip):
    return np.frombuffer(gzip.open(f'{data}/{name}').read(), np.uint8, offset=skip)
x = idx('t10k-images-idx3-ubyte.gz', 16).reshape(-1, 1, 28, 28).astype(np.float32) / 255
y = idx('t10k-labels-idx1-ubyte.gz', 8).astype(np.int32)
rng = np.random.default_rng(0)
DN = ('NCHW', 'OIHW', 'NCHW')

def conv(a, w, b, s=1):
    k = w.shape[2] // 2
    return jax.lax.conv_general_dilated(a, w, (s, s), [(k, k), (k, k)], dimension_numbers=DN) + b[None, :, None, None]

def mlp(p, a):
    a = a.reshape(a.shape[0], -1)
    for i in range(9):
        a = a @ p[f'w{i}'].T + p[f'b{i}']
        if i < 8: a = jax.nn.relu(a)
    return a

def resnet(p, a):
    a = jax.nn.relu(conv(a, p['stem.w'], p['stem.b'], 2))
    for n in ('1', '2'):
        b = jax.nn.relu(conv(a, p[f'block{n}.a.w'], p[f'block{n}.a.b']))
        b = conv(b, p[f'block{n}.b.w'], p[f'block{n}.b.b'])
        a = jax.nn.relu(a + b)
        if n == '1': a = jax.nn.relu(conv(a, p['down.w'], p['down.b'], 2))
    a = a.mean((2, 3))
    return a @ p['head.w'].T + p['head.b']

def he(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)

def init_mlp():
    sizes = [784] + [128] * 8 + [10]; p = {}
    for i in range(9):
        p[f'w{i}'] = he(sizes[i + 1], sizes[i]); p[f'b{i}'] = np.zeros(sizes[i + 1], np.float32)
    return p

def init_resnet(c=24):
    p = {'stem.w': he(c, 1, 5, 5), 'stem.b': np.zeros(c, np.float32),
         'down.w': he(2 * c, c, 3, 3), 'down.b': np.zeros(2 * c, np.float32),
         'head.w': he(10, 2 * c), 'head.b': np.zeros(10, np.float32)}
    for n, w in (('1', c), ('2', 2 * c)):
        p[f'block{n}.a.w'] = he(w, w, 3, 3); p[f'block{n}.a.b'] = np.zeros(w, np.float32)
        p[f'block{n}.b.w'] = he(w, w, 3, 3, scale=0.3); p[f'block{n}.b.b'] = np.zeros(w, np.float32)
    return p

def train(f, p, epochs, rate, decay=2e-4):
    xs, ys = x[1000:], y[1000:]
    def loss(p, a, t):
        l = f(p, a)
        return -jnp.mean(jax.nn.log_softmax(l)[jnp.arange(len(t)), t])
    @jax.jit
    def step(p, m, v, t, a, b, r):
        g = jax.grad(loss)(p, a, b)
        m = jax.tree.map(lambda m, g: .9 * m + .1 * g, m, g)
        v = jax.tree.map(lambda v, g: .99 * v + .01 * g * g, v, g)
        p = jax.tree.map(lambda p, m, v: p * (1 - r * decay * 100) - r * (m / (1 - .9 ** t)) / (jnp.sqrt(v / (1 - .99 ** t)) + 1e-8), p, m, v)
        return p, m, v
    m = jax.tree.map(jnp.zeros_like, p); v = jax.tree.map(jnp.zeros_like, p); t = 0
    for e in range(epochs):
        order = rng.permutation(len(xs)); r = rate * 0.5 * (1 + np.cos(np.pi * e / epochs))
        for i in range(0, len(xs) - 99, 100):
            t += 1; j = order[i:i + 100]; a = xs[j]
            if f is resnet and rng.random() < .5: a = a[:, :, :, ::-1]
            p, m, v = step(p, m, v, float(t), a, ys[j], r)
    test = float((np.argmax(f(p, x[:1000]), 1) == y[:1000]).mean())
    print(f.__name__, 'test accuracy', test, flush=True)
    return {k: np.asarray(v) for k, v in p.items()}

def save(name, nodes, p):
    graph = h.make_graph(nodes, name, [h.make_tensor_value_info('image', T.FLOAT, ['batch', 1, 28, 28])],
        [h.make_tensor_value_info('logits', T.FLOAT, ['batch', 10])], [nh.from_array(v, k) for k, v in p.items()])
    m = h.make_model(graph, opset_imports=[h.make_opsetid('', 13)], producer_name='')
    m.ir_version = 8
    onnx.checker.check_model(m); onnx.save(m, f'{out}/{name}.onnx')

N = h.make_node
def save_mlp(p):
    nodes = [N('Flatten', ['image'], ['flat'], axis=1)]; a = 'flat'
    for i in range(9):
        o = 'logits' if i == 8 else f'z{i}'
        nodes.append(N('Gemm', [a, f'w{i}', f'b{i}'], [o], transB=1))
        if i < 8: nodes.append(N('Relu', [o], [f'a{i}'])); a = f'a{i}'
    save('mlp-9', nodes, p)

def save_resnet(p):
    c = lambda a, n, o, s=1, k=3: N('Conv', [a, n + '.w', n + '.b'], [o], kernel_shape=[k, k], strides=[s, s], pads=[k // 2] * 4)
    nodes = [c('image', 'stem', 'stem.z', 2, 5), N('Relu', ['stem.z'], ['stem.o'])]; a = 'stem.o'
    for n in ('1', '2'):
        b = f'block{n}'
        nodes += [c(a, b + '.a', b + '.y'), N('Relu', [b + '.y'], [b + '.r']), c(b + '.r', b + '.b', b + '.s'),
                  N('Add', [a, b + '.s'], [b + '.t']), N('Relu', [b + '.t'], [b + '.o'])]
        a = b + '.o'
        if n == '1': nodes += [c(a, 'down', 'down.z', 2), N('Relu', ['down.z'], ['down.o'])]; a = 'down.o'
    nodes += [N('GlobalAveragePool', [a], ['mean']), N('Flatten', ['mean'], ['features'], axis=1), N('Gemm', ['features', 'head.w', 'head.b'], ['logits'], transB=1)]
    save('resnet-7', nodes, p)

save_mlp(train(mlp, init_mlp(), 12, 1e-3))
save_resnet(train(resnet, init_resnet(), 12, 2e-3))
