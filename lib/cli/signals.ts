/** Signals of the process for a command that hands them on, such as `dlv run`. */

/** Those that a program may want to hear. What ends a process or stops it is among them. */
const ALSO = ['SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGTSTP', 'SIGCONT', 'SIGWINCH'] as const;

type Handler = (signal: NodeJS.Signals) => void;

/** Who hears SIGINT, SIGTERM and SIGHUP: the command itself, or a program that it started. */
export class SignalDesk {
  #taken: Handler | null = null;

  /** @returns whether somebody has taken the signals. */
  hear(signal: NodeJS.Signals): boolean {
    this.#taken?.(signal);
    return this.#taken !== null;
  }

  /** From now on `handler` gets all signals. @returns gives them back. */
  take(handler: Handler): () => void {
    this.#taken = handler;
    const listen = (signal: NodeJS.Signals): void => {
      handler(signal);
      // What stops the program stops this process as well, until it is told to go on.
      if (signal === 'SIGTSTP') process.kill(process.pid, 'SIGSTOP');
    };
    const heard: NodeJS.Signals[] = [];
    for (const signal of ALSO) {
      try {
        process.on(signal, listen);
        heard.push(signal);
      } catch {
        // The system has no such signal.
      }
    }
    return () => {
      this.#taken = null;
      for (const signal of heard) process.off(signal, listen);
    };
  }
}
