/** Ranges that are dragged on an axis, as part of the condition that people read and write. */

/** A name as conditions take it: with odd characters in backticks. */
export function quotedColumn(column: string): string {
  const [, before = '', name = column, after = ''] = /^(\w+\()(.*)(\))$/s.exec(column) ?? [];
  const dot = name.indexOf('.');
  const [space, own] = dot < 0 ? ['', name] : [name.slice(0, dot + 1), name.slice(dot + 1)];
  const plain = /^[\p{L}_][\p{L}\p{N}_]*$/u.test(own);
  return `${before}${plain ? `${space}${own}` : `\`${space}${own}\``}${after}`;
}

/** The range that a condition has of a column; null if it has none that was dragged. */
export function rangeOf(where: string, column: string): [number, number] | null {
  const [, low, high] = rangePattern(column).exec(where) ?? [];
  return low === undefined || high === undefined ? null : [Number(low), Number(high)];
}

/** A condition with another range of a column, or with none. */
export function withRange(where: string, column: string, range: [number, number] | null): string {
  const text =
    range === null
      ? ''
      : `${quotedColumn(column)} between ${short(range[0])} and ${short(range[1])}`;
  const pattern = rangePattern(column);
  if (pattern.test(where)) {
    if (text !== '') return where.replace(pattern, () => text);
    return where
      .replace(new RegExp(`\\s+and\\s+${pattern.source}|${pattern.source}(\\s+and\\s+)?`), '')
      .trim();
  }
  if (text === '' || where.trim() === '') return text || where;
  return /\bor\b/i.test(where) ? `(${where.trim()}) and ${text}` : `${where.trim()} and ${text}`;
}

function rangePattern(column: string): RegExp {
  const name = quotedColumn(column).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const number = '(-?[\\d.]+(?:e[+-]?\\d+)?)';
  return new RegExp(`${name} between ${number} and ${number}`);
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
