/**
 * Modules around an operator, from what PyTorch's exporter writes beside it: the text of a Python list
 * of names, or "name: class/name: class/…". Read as data; a text of another form says nothing.
 */

/** Longest list that is read: modules nest a few dozen deep. */
const SCOPES_MAX = 100;

/** Names of the modules around an operator, outermost first: ['layer1', 'layer1.0', 'layer1.0.conv1']. */
export function scopesOf(entries: readonly { key: string; value: string }[]): string[] {
  const listed = entries.find(({ key }) => key === 'pkg.torch.onnx.name_scopes');
  const scopes = listed === undefined ? null : parseTextList(listed.value);
  // The last is the operator itself.
  if (scopes !== null) return scopes.slice(0, -1).filter((name) => name !== '');
  const spelled = entries.find(({ key }) => key === 'namespace');
  return spelled === undefined ? [] : parseNamespace(spelled.value);
}

/** `': torchvision.ResNet/layer1: torch.Sequential/conv: aten.conv2d.default'` → ['layer1']. */
function parseNamespace(text: string): string[] {
  return text
    .split('/', SCOPES_MAX)
    .slice(0, -1)
    .map((part) => part.split(': ', 1)[0] ?? '')
    .filter((name) => name !== '' && !name.startsWith(':'));
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r' };

/** The texts of a Python list such as `['', "a'b", 'layer\\'s']`; null if it is none. */
export function parseTextList(text: string): string[] | null {
  const found: string[] = [];
  let at = skipBlank(text, 0);
  if (text[at] !== '[') return null;
  at = skipBlank(text, at + 1);
  while (text[at] !== ']') {
    const quote = text[at];
    if ((quote !== "'" && quote !== '"') || found.length === SCOPES_MAX) return null;
    let value = '';
    for (at++; text[at] !== quote; at++) {
      if (at >= text.length) return null;
      if (text[at] === '\\') {
        at++;
        const code = text[at] ?? '';
        if (/[\\'"]/.test(code)) value += code;
        else if (ESCAPES[code] !== undefined) value += ESCAPES[code];
        else return null;
      } else value += text[at];
    }
    found.push(value);
    at = skipBlank(text, at + 1);
    if (text[at] === ',') at = skipBlank(text, at + 1);
    else if (text[at] !== ']') return null;
  }
  return skipBlank(text, at + 1) === text.length ? found : null;
}

function skipBlank(text: string, at: number): number {
  let next = at;
  while (text[next] === ' ') next++;
  return next;
}
