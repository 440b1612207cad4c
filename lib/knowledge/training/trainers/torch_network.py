"""Networks of ONNX for torch_trainer.py: a reader with the standard library alone, and operators by torch."""
import math
import struct

import torch
import torch.nn.functional as F


class Problem(Exception):
    """The job cannot be carried out."""


# ── ONNX ─────────────────────────────────────────────────────────────────────────────────────────────

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise Problem('the network is damaged: a number has no end')


def fields(data):
    """Fields of a message as (number, value): bytes, or a whole number."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 2:
            length, at = varint(data, at)
            if length > len(data) - at:
                raise Problem('the network is cut off')
            value, at = data[at:at + length], at + length
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
            value, at = data[at:at + length], at + length
        else:
            raise Problem('the network is damaged: wire type %d' % wire)
        yield number, value


def signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def ints(value):
    if isinstance(value, int):
        return [signed(value)]
    found, at = [], 0
    while at < len(value):
        one, at = varint(value, at)
        found.append(signed(one))
    return found


def read_tensor(data):
    dims, kind, name, raw, floats, whole = [], 0, '', None, b'', []
    for number, value in fields(data):
        if number == 1:
            dims += ints(value)
        elif number == 2:
            kind = value
        elif number == 4:
            floats += bytes(value)
        elif number in (5, 7):
            whole += ints(value)
        elif number == 8:
            name = bytes(value).decode()
        elif number == 9:
            raw = bytes(value)
        elif number == 14 and value == 1:
            raise Problem('the network keeps its weights in other files')
    if kind not in (1, 7):
        return name, None
    if raw is None:
        raw = floats if kind == 1 else struct.pack('<%dq' % len(whole), *whole)
    dtype = torch.float32 if kind == 1 else torch.int64
    tensor = torch.frombuffer(bytearray(raw), dtype=dtype).clone() if raw else torch.empty(0, dtype=dtype)
    return name, tensor.reshape(dims)


def read_attribute(data):
    name, kind, values = '', 0, {}
    lists = {7: [], 8: []}
    for number, value in fields(data):
        if number == 1:
            name = bytes(value).decode()
        elif number == 2:
            values[1] = struct.unpack('<f', value)[0]
        elif number == 3:
            values[2] = signed(value)
        elif number == 4:
            values[3] = bytes(value).decode(errors='replace')
        elif number == 5:
            values[4] = read_tensor(value)[1]
        elif number == 7:
            lists[7] += struct.unpack('<%df' % (len(value) // 4), value)
        elif number == 8:
            lists[8] += ints(value)
        elif number == 20:
            kind = value
    if kind == 6:
        return name, lists[7]
    return name, lists[8] if kind == 7 else values.get(kind)


class Network:
    def __init__(self, path):
        with open(path, 'rb') as file:
            data = memoryview(file.read())
        graph = next((value for number, value in fields(data) if number == 7), None)
        if graph is None:
            raise Problem('%r holds no network' % path)
        self.nodes, self.tensors, inputs, self.outputs = [], {}, [], []
        for number, value in fields(graph):
            if number == 1:
                self.nodes.append(self.node(value))
            elif number == 5:
                name, tensor = read_tensor(value)
                if tensor is not None:
                    self.tensors[name] = tensor
            elif number in (11, 12):
                name = next(bytes(one).decode() for field, one in fields(value) if field == 1)
                (inputs if number == 11 else self.outputs).append(name)
        for op, _, names, attributes in self.nodes:
            if op == 'Constant' and attributes.get('value') is not None:
                self.tensors[names[0]] = attributes['value']
        self.nodes = [node for node in self.nodes if node[0] != 'Constant']
        inputs = [name for name in inputs if name not in self.tensors]
        if len(inputs) != 1:
            raise Problem('the network has %d inputs; one can be trained' % len(inputs))
        self.input = inputs[0]

    @staticmethod
    def node(data):
        op, inputs, outputs, attributes = '', [], [], {}
        for number, value in fields(data):
            if number == 1:
                inputs.append(bytes(value).decode())
            elif number == 2:
                outputs.append(bytes(value).decode())
            elif number == 4:
                op = bytes(value).decode()
            elif number == 5:
                name, one = read_attribute(value)
                attributes[name] = one
        return op, inputs, outputs, attributes


# ── operators ────────────────────────────────────────────────────────────────────────────────────────

def padded(x, a, rank, kernel, fill=0.0):
    """Pads as the node says; frameworks pad both sides alike, ONNX each for itself."""
    stride = a.get('strides') or [1] * rank
    dilation = a.get('dilations') or [1] * rank
    pads = list(a.get('pads') or [0] * (2 * rank))
    auto = a.get('auto_pad', 'NOTSET')
    if auto in ('SAME_UPPER', 'SAME_LOWER'):
        for axis in range(rank):
            size = x.shape[2 + axis]
            span = (kernel[axis] - 1) * dilation[axis] + 1
            missing = max(0, (-(-size // stride[axis]) - 1) * stride[axis] + span - size)
            less, more = missing // 2, missing - missing // 2
            pads[axis], pads[rank + axis] = (less, more) if auto == 'SAME_UPPER' else (more, less)
    if any(pads):
        flat = [pads[axis + rank * end] for axis in reversed(range(rank)) for end in (0, 1)]
        x = F.pad(x, flat, value=fill)
    return x, stride, dilation


def conv(x, w, b=None, **a):
    rank = w.dim() - 2
    x, stride, dilation = padded(x, a, rank, w.shape[2:])
    return (F.conv1d if rank == 1 else F.conv2d)(x, w, b, stride, 0, dilation, a.get('group', 1))


def max_pool(x, **a):
    kernel = a['kernel_shape']
    x, stride, dilation = padded(x, a, len(kernel), kernel, float('-inf'))
    return (F.max_pool1d if len(kernel) == 1 else F.max_pool2d)(
        x, kernel, stride, 0, dilation, ceil_mode=bool(a.get('ceil_mode', 0)))


def mean_pool(x, **a):
    kernel = a['kernel_shape']
    rank, pool = len(kernel), (F.avg_pool1d if len(kernel) == 1 else F.avg_pool2d)
    ones = torch.ones((1, 1) + tuple(x.shape[2:]), dtype=x.dtype, device=x.device)
    y, stride, _ = padded(x, a, rank, kernel)
    y = pool(y, kernel, stride)
    if a.get('count_include_pad', 0) or not any(a.get('pads') or []):
        return y
    return y / pool(padded(ones, a, rank, kernel)[0], kernel, stride)


def gemm(x, w, b=None, **a):
    x = x.transpose(0, 1) if a.get('transA', 0) else x
    y = a.get('alpha', 1.0) * (x @ (w.transpose(0, 1) if a.get('transB', 0) else w))
    return y if b is None else y + a.get('beta', 1.0) * b


def shaped(x, shape=None, **a):
    sizes = (a.get('shape') if shape is None else shape.tolist()) or []
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(sizes)])


def flatten(x, **a):
    axis = a.get('axis', 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


def squeezed(x, axes=None, **a):
    for axis in sorted((a.get('axes') if axes is None else axes.tolist()) or [], reverse=True):
        x = x.squeeze(axis)
    return x


def unsqueezed(x, axes=None, **a):
    for axis in sorted(a.get('axes') if axes is None else axes.tolist()):
        x = x.unsqueeze(axis)
    return x


OPERATORS = {
    'Add': lambda x, y, **a: x + y, 'Sub': lambda x, y, **a: x - y, 'Mul': lambda x, y, **a: x * y,
    'Div': lambda x, y, **a: x / y,
    'AveragePool': mean_pool, 'MaxPool': max_pool, 'Conv': conv, 'Gemm': gemm,
    'GlobalAveragePool': lambda x, **a: x.mean(dim=tuple(range(2, x.dim())), keepdim=True),
    'GlobalMaxPool': lambda x, **a: x.amax(dim=tuple(range(2, x.dim())), keepdim=True),
    'Concat': lambda *x, **a: torch.cat(x, a['axis']),
    'Elu': lambda x, **a: F.elu(x, a.get('alpha', 1.0)), 'Flatten': flatten,
    'Gelu': lambda x, **a: F.gelu(x, approximate=a.get('approximate', 'none')),
    'HardSwish': lambda x, **a: F.hardswish(x), 'Identity': lambda x, **a: x,
    'LeakyRelu': lambda x, **a: F.leaky_relu(x, a.get('alpha', 0.01)),
    'MatMul': lambda x, y, **a: x @ y, 'Relu': lambda x, **a: F.relu(x), 'Reshape': shaped,
    'Sigmoid': lambda x, **a: torch.sigmoid(x),
    'Softmax': lambda x, **a: torch.softmax(x, a.get('axis', -1)), 'Squeeze': squeezed,
    'Tanh': lambda x, **a: torch.tanh(x), 'Unsqueeze': unsqueezed,
}
WEIGHTED = {'Conv': ('weight', 'bias'), 'Gemm': ('weight', 'bias'), 'MatMul': ('weight',), 'Add': ('bias', 'bias'),
            'BatchNormalization': ('scale', 'shift', 'mean', 'variance')}


class Trained:
    """A network whose weights are tensors that are trained."""

    def __init__(self, network, job, device):
        self.network, self.device = network, device
        self.roles, self.fans = {}, {}
        for op, inputs, _, attributes in network.nodes:
            places = inputs if op == 'Add' else inputs[1:]
            for name, role in zip(places, WEIGHTED.get(op, ())):
                tensor = network.tensors.get(name)
                if tensor is None or tensor.dtype != torch.float32 or name in self.roles:
                    continue
                self.roles[name] = role
                if role == 'weight':
                    turned = op == 'MatMul' or (op == 'Gemm' and not attributes.get('transB', 0))
                    self.fan = tensor.shape[0] if turned else tensor[0].numel()
                self.fans[name] = getattr(self, 'fan', 1)
        wanted = job.get('output') or network.outputs[0]
        if wanted not in network.outputs:
            raise Problem('the network has no output %r' % wanted)
        self.output = wanted
        # The loss of classes has a softmax itself.
        if job['loss'] == 'cross-entropy':
            for op, inputs, outputs, _ in network.nodes:
                if op == 'Softmax' and outputs[0] == wanted:
                    self.output = inputs[0]
        frozen = {name for one in job['layers'] if one.get('frozen') for name in one['parameters']}
        self.weights = {}
        for name, role in self.roles.items():
            tensor = network.tensors[name].to(device)
            tensor.requires_grad_(role not in ('mean', 'variance') and name not in frozen)
            self.weights[name] = tensor

    def begin(self, seed):
        """First weights, as PyTorch's layers have them."""
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, role in self.roles.items():
                tensor = self.weights[name]
                if role in ('weight', 'bias'):
                    bound = 1 / math.sqrt(self.fans[name])
                    tensor.copy_(torch.rand(tensor.shape, generator=draw) * 2 * bound - bound)
                else:
                    tensor.fill_(1 if role in ('scale', 'variance') else 0)

    def __call__(self, x, training):
        values = {**{name: tensor.to(self.device) for name, tensor in self.network.tensors.items()
                     if name not in self.weights}, **self.weights, self.network.input: x}
        for op, inputs, outputs, attributes in self.network.nodes:
            if outputs[0] in values:
                continue
            given = [values.get(name) if name else None for name in inputs]
            if op == 'BatchNormalization':
                given = F.batch_norm(given[0], given[3], given[4], given[1], given[2], training,
                                     1 - attributes.get('momentum', 0.9), attributes.get('epsilon', 1e-5))
            elif op == 'Dropout':
                ratio = attributes.get('ratio', 0.5) if len(given) < 2 or given[1] is None else given[1].item()
                given = F.dropout(given[0], ratio, training)
            elif op in OPERATORS:
                given = OPERATORS[op](*given, **attributes)
            else:
                raise Problem('%r (%s) cannot be trained by this trainer' % (outputs[0], op))
            values[outputs[0]] = given
            if outputs[0] == self.output:
                return given
        return values[self.output]
