/** What `--help --json` and `dlv help <topic> --json` print: the words of the help, as documents. */
import type { Argument, Command, Option } from 'commander';
import { COMMANDS } from './commands/index.js';
import { EXIT_CODES } from './exit-codes.js';
import { GLOBAL_OPTIONS } from './flags.js';
import { type Cli, type CommandHelp, withWarnings } from './run.js';
import { TOPICS, type Topic } from './topics.js';

/** The help of one command. */
function helpOfCommand(command: Command, help: CommandHelp): object {
  const isGlobal = (option: Option): boolean => option.helpGroupHeading === GLOBAL_OPTIONS;
  return {
    command: command.name(),
    usage: `dlv ${command.name()} ${command.usage()}`,
    summary: help.summary,
    about: help.about ?? '',
    arguments: command.registeredArguments.map(packArgument),
    options: command.options
      .filter((option) => !isGlobal(option) && !option.hidden)
      .map(packOption),
    globalOptions: command.options.filter(isGlobal).map(packOption),
    examples: help.examples.map(([line, does]) => ({ line, does })),
    /** The document that the command prints with --json, as an example. */
    document: help.json === undefined ? null : withWarnings(help.json, []),
    exitCodes: { ...EXIT_CODES, ...help.exitCodes },
  };
}

function packArgument(argument: Argument): object {
  const { required, variadic, description, argChoices } = argument;
  return { name: argument.name(), required, variadic, description, choices: argChoices ?? null };
}

function packOption({ flags, description, required, optional, argChoices }: Option): object {
  const value = required ? 'required' : optional ? 'optional' : 'none';
  return { flags, value, description, choices: argChoices ?? null };
}

/** The help of `dlv` itself: all commands and topics. */
function helpOfProgram(program: Command, declared: Cli['declared']): object {
  const summaries = new Map([...declared].map(([command, help]) => [command.name(), help.summary]));
  return {
    command: null,
    usage: `dlv ${program.usage()}`,
    about: program.description(),
    commands: COMMANDS.map(({ name, group }) => ({
      name,
      summary: summaries.get(name) ?? '',
      group: group.replace(/:$/, ''),
    })),
    topics: Object.entries(TOPICS).map(([name, { summary }]) => ({ name, summary })),
    globalOptions: program.options.map(packOption),
    exitCodes: EXIT_CODES,
  };
}

/** The document of `--help`: of the command on the line, else of dlv. */
export function helpDocument(program: Command, verb: string | null, { declared }: Cli): object {
  const named = [...declared].find(([command]) => command.name() === verb);
  const help = named === undefined ? helpOfProgram(program, declared) : helpOfCommand(...named);
  return withWarnings(help, []);
}

/** The document of a topic. */
export function topicDocument(name: string): object {
  const { summary, text } = TOPICS[name] as Topic;
  return withWarnings({ topic: name, summary, text }, []);
}
