/** Bytes per second: as users write them, `500K`, `10M`, `1.5G`, and what a line has to give at least. Pure. */

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
/** A line slower than this is no use to anybody. */
const RATE_MIN = 1024;

/** Bytes per second; Infinity for '0', no limit; null for what is no rate. */
export function parseRate(text: string): number | null {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?(?:\/s)?$/i.exec(text) ?? [];
  if (number === undefined) return null;
  const rate = Number(number) * (UNITS[unit.toUpperCase()] as number);
  if (rate === 0) return Number.POSITIVE_INFINITY;
  return rate < RATE_MIN ? null : rate;
}

/** What a rate may look like, for messages. */
export const RATE_FORM =
  'a number of bytes per second from 1K on, with K, M or G for 1024, 1024² or 1024³, or 0 for no limit';

/** The least that a server has to move. */
export interface LowSpeed {
  /** Bytes per second, of one request; 0: any byte is enough. */
  readonly bytesPerSecond: number;
  /** How long it is waited for before that is asked. */
  readonly seconds: number;
}

/** What the settings say about it. */
export function lowSpeedOf(config: {
  get(key: 'transfer.lowSpeedLimit' | 'transfer.lowSpeedTime'): number;
}): LowSpeed {
  return {
    bytesPerSecond: config.get('transfer.lowSpeedLimit'),
    seconds: config.get('transfer.lowSpeedTime'),
  };
}
