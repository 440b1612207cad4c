/** Loaded before a command (`node --import`): its clock is DLV_TEST_CLOCK_MS ahead of that of the machine. */
const ahead = Number(process.env.DLV_TEST_CLOCK_MS ?? 0);
const now = Date.now;

globalThis.Date = class extends Date {
  constructor(...given: unknown[]) {
    super(...((given.length === 0 ? [now() + ahead] : given) as [number]));
  }
  static override now(): number {
    return now() + ahead;
  }
} as DateConstructor;
