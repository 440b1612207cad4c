"""Trains a network of ONNX with PyTorch: python3 torch_trainer.py job.json

Speaks the protocol of docs/format/trainers.md with the standard library and torch alone: it reads the ONNX file and the
arrays itself. The operators are those of the built-in trainer, and some more activations. It trains on a GPU if there is one.
"""
import ast
import json
import math
import os
import random
import signal
import struct
import sys
import time

# What torch compiles goes with the job, and stays nowhere else.
if len(sys.argv) > 1:
    os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), 'cache'))

import torch
import torch.nn.functional as F

from torch_network import Network, Problem, Trained

STARTED = time.monotonic()
STOP = {'asked': False}


def say(**message):
    sys.stdout.write(json.dumps(message, allow_nan=False) + '\n')
    sys.stdout.flush()


def seconds():
    return round(time.monotonic() - STARTED, 3)


# ── data and checkpoints ─────────────────────────────────────────────────────────────────────────────

DTYPES = {'<f4': torch.float32, '<f8': torch.float64, '<i8': torch.int64, '<i4': torch.int32, '|u1': torch.uint8}


def read_npy(path):
    with open(path, 'rb') as file:
        magic = file.read(8)
        if magic[:6] != b'\x93NUMPY':
            raise Problem('%r is no array' % path)
        length = struct.unpack('<H', file.read(2))[0] if magic[6] == 1 else struct.unpack('<I', file.read(4))[0]
        header = ast.literal_eval(file.read(length).decode('latin1'))
        if header['descr'] not in DTYPES or header['fortran_order']:
            raise Problem('%r holds %s, which is not read' % (path, header['descr']))
        data = bytearray(file.read())
    return torch.frombuffer(data, dtype=DTYPES[header['descr']]).reshape(header['shape'])


def write_safetensors(path, iteration, tensors):
    header, parts, at = {'__metadata__': {'iteration': str(iteration)}}, [], 0
    for name in sorted(tensors):
        tensor = tensors[name].detach().to('cpu', torch.float32).contiguous()
        data = bytes(tensor.untyped_storage())[:4 * tensor.numel()]
        header[name] = {'dtype': 'F32', 'shape': list(tensor.shape), 'data_offsets': [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    unfinished = path + '.tmp'
    with open(unfinished, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def read_safetensors(path):
    with open(path, 'rb') as file:
        length = struct.unpack('<Q', file.read(8))[0]
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, one in header.items():
        if name != '__metadata__' and one['dtype'] == 'F32':
            start, end = one['data_offsets']
            tensors[name] = torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32).reshape(one['shape'])
    return int(header['__metadata__']['iteration']), tensors


# ── training ─────────────────────────────────────────────────────────────────────────────────────────

KEPT = {'momentum_buffer': 'momentum', 'exp_avg': 'first', 'exp_avg_sq': 'second'}


def rate_factor(schedule, done, iterations):
    if done < schedule['warmup']:
        return (done + 1) / schedule['warmup']
    if schedule['name'] == 'constant':
        return 1.0
    if schedule['name'] == 'step':
        return schedule['factor'] ** (done // schedule['every'])
    span = max(1, (schedule['over'] or iterations) - schedule['warmup'])
    share, to = min(1.0, (done - schedule['warmup']) / span), schedule['to']
    if schedule['name'] == 'linear':
        return 1 + (to - 1) * share
    return to + (1 - to) * (1 + math.cos(math.pi * share)) / 2


def make_optimizer(job, trained):
    o = job['optimizer']
    groups = []
    for name, tensor in trained.weights.items():
        if not tensor.requires_grad:
            continue
        own = [one for one in job['layers'] if name in one['parameters']][-1:] or [{}]
        groups.append({'params': [tensor], 'lr': o['lr'], 'factor': own[0].get('lr', 1), 'name': name,
                       'weight_decay': o['weight_decay'] * own[0].get('weight_decay', 1)})
    if not groups:
        raise Problem('the network has no weights that are trained')
    if o['name'] == 'sgd':
        return torch.optim.SGD(groups, o['lr'], momentum=o['momentum'], dampening=o['dampening'], nesterov=o['nesterov'])
    kind = torch.optim.Adam if o['name'] == 'adam' else torch.optim.AdamW
    return kind(groups, o['lr'], betas=(o['beta1'], o['beta2']), eps=o['eps'])


def restore(optimizer, trained, iteration, tensors):
    with torch.no_grad():
        for name, tensor in trained.weights.items():
            tensor.copy_(tensors[name])
    for group in optimizer.param_groups:
        state = optimizer.state[group['params'][0]]
        for key, ours in KEPT.items():
            kept = tensors.get('optimizer/%s/%s' % (ours, group['name']))
            if kept is not None:
                state[key] = kept.to(trained.device)
        if 'exp_avg' in state:
            state['step'] = torch.tensor(float(iteration))


def batch_rows(count, batch, seed):
    """Examples of each step, from any step on: shuffled orders of all, one behind the other."""
    known = {}

    def rows(done):
        found = []
        for at in range(done * batch, (done + 1) * batch):
            epoch = at // count
            if epoch not in known:
                known.clear()
                order = list(range(count))
                random.Random('%d/%d' % (seed, epoch)).shuffle(order)
                known[epoch] = order
            found.append(known[epoch][at % count])
        return torch.tensor(found)
    return rows


def loss_of(job, scores, targets):
    if job['loss'] == 'mse':
        return F.mse_loss(scores, targets.reshape(scores.shape).float())
    return F.cross_entropy(scores, targets.long())


def test_values(job, trained, inputs, targets):
    total, right = 0.0, 0
    with torch.no_grad():
        for at in range(0, len(inputs), job['batch']):
            x, y = inputs[at:at + job['batch']].to(trained.device), targets[at:at + job['batch']].to(trained.device)
            scores = trained(x, False)
            total += loss_of(job, scores, y).item() * len(x)
            right += 0 if job['loss'] == 'mse' else (scores.argmax(1) == y).sum().item()
    values = {'test_loss': total / len(inputs)}
    if job['loss'] != 'mse':
        values['test_accuracy'] = right / len(inputs)
    return values


def train(job):
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    torch.set_num_threads(job['threads'])
    trained = Trained(Network(job['network']), job, device)
    if job['weights'] == 'init':
        trained.begin(job['seed'])
    inputs, targets = read_npy(job['train']['inputs']), read_npy(job['train']['targets'])
    test = job.get('test') and (read_npy(job['test']['inputs']), read_npy(job['test']['targets']))
    optimizer = make_optimizer(job, trained)
    done = 0
    if job.get('resume'):
        done, tensors = read_safetensors(job['resume'])
        restore(optimizer, trained, done, tensors)
    folder, every = job['checkpoints']['folder'], job['checkpoints']['every']
    os.makedirs(folder, exist_ok=True)
    count = sum(group['params'][0].numel() for group in optimizer.param_groups)
    say(event='start', trainer='pytorch %s' % torch.__version__, parameters=count, examples=len(inputs))
    rows = batch_rows(len(inputs), job['batch'], job['seed'])
    total = right = seen = 0
    while done < job['iterations']:
        if STOP['asked']:
            return 'stopped', done
        # Each step draws its own dropout, so that a job that goes on draws the same.
        torch.manual_seed(job['seed'] * 1_000_003 + done)
        rate = job['optimizer']['lr'] * rate_factor(job['schedule'], done, job['iterations'])
        for group in optimizer.param_groups:
            group['lr'] = rate * group['factor']
        chosen = rows(done)
        x, y = inputs[chosen].to(device), targets[chosen].to(device)
        optimizer.zero_grad()
        scores = trained(x, True)
        loss = loss_of(job, scores, y)
        loss.backward()
        optimizer.step()
        done += 1
        value = loss.item()
        total, seen = total + value, seen + 1
        right += 0 if job['loss'] == 'mse' else (scores.argmax(1) == y).float().mean().item()
        broken, last = not math.isfinite(value), done == job['iterations']
        if broken or last or done % job['report'] == 0:
            values = {'loss': total / seen if math.isfinite(total) else None, 'lr': rate}
            if job['loss'] != 'mse':
                values['accuracy'] = right / seen
            if test and not broken:
                values.update(test_values(job, trained, *test))
            told = {key: one if one is not None and math.isfinite(one) else None for key, one in values.items()}
            say(event='metrics', iteration=done, time=seconds(), values=told)
            total = right = seen = 0
        if broken:
            return 'nan', done
        if last or (every and done % every == 0):
            tensors = dict(trained.weights)
            for group in optimizer.param_groups:
                for key, ours in KEPT.items():
                    kept = optimizer.state[group['params'][0]].get(key)
                    if kept is not None:
                        tensors['optimizer/%s/%s' % (ours, group['name'])] = kept
            name = 'step-%d.safetensors' % done
            write_safetensors(os.path.join(folder, name), done, tensors)
            say(event='checkpoint', iteration=done, file=name)
    return 'done', done


def main():
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: STOP.update(asked=True))
    try:
        with open(sys.argv[1]) as file:
            job = json.load(file)
        if job.get('protocol') != 1:
            raise Problem('the protocol is %r, not 1' % job.get('protocol'))
        os.chdir(os.path.dirname(os.path.abspath(sys.argv[1])))
        state, iteration = train(job)
        say(event='end', state=state, iteration=iteration, time=seconds())
    except (Problem, OSError, RuntimeError, KeyError, ValueError, IndexError) as error:
        say(event='end', state='failed', iteration=0, time=seconds(), message='%s: %s' % (type(error).__name__, error))
        sys.exit(1)


main()
