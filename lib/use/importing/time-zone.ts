/** The time zone of this machine, for versions whose source says none. */

/** Minutes east of UTC. */
export function currentTimeZone(): number {
  return -new Date().getTimezoneOffset();
}
