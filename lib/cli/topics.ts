/**
 * `dlv help <topic>`: what concerns several commands.
 *
 * A topic has a name that no command has, a line for the list in `dlv --help`, and a text.
 */

export interface Topic {
  summary: string;
  text: string;
}

const IGNORE = `Files that dlv leaves alone

'dlv add <folder>' and 'dlv status' leave out what .dlvignore and .gitignore name. A file that is tracked
already is never left out.

  .dlvignore      patterns for dlv, in any folder; any of them wins over every .gitignore
  .gitignore      as git reads it, in any folder of the work tree and above it up to that of git
  .git/info/exclude

What you name yourself is taken although git ignores it: a file, a folder, or a glob as 'runs/**/*.pt'. What
.dlvignore names is taken only with 'dlv add --force'. '.git' and '.dlv' are never taken.

Patterns are those of .gitignore, one in a line:

  *.tmp           files and folders with such a name, in this folder and below
  /build          only in this folder, since there is a slash at the front
  runs/old        the same, since there is a slash inside
  logs/           folders only, and all that lies in them
  run/**/x        x at any depth below run
  !keep.tmp       not ignored after all; a later line wins, and the file of an inner folder
  # text          nothing
  \\#x \\!x         names that begin with # or !
  [ab] ? \\*       one of a and b, any character, a star

What lies in an ignored folder stays ignored, whatever is said of it: bring the folder back first.

Model files in a folder of git are usually in .gitignore. To have 'dlv add .' take them, write into .dlvignore:

  !*.safetensors
  !checkpoints/
`;

const FORMATS = `Formats that dlv understands

The content tells the format, not the name. Tensors are stored one by one, equal ones once and related ones as
differences, and 'dlv diff' compares them in numbers.

  safetensors     single files and sharded ones (model.safetensors.index.json and its shards)
  PyTorch         .pt, .pth, .bin, .ckpt: zip and older files, torch.distributed checkpoints; the pickle is
                  read as data and never run
  ONNX            initializers, constants, external data in files beside the model
  NumPy           .npy and .npz

Anything else is kept byte for byte in pieces, and equal pieces are stored once. A file that is cut, lies about
itself or is compressed is kept in the same way, with a warning where its name says that it is a model. Every
file comes back with its own sha256, whatever its format.

'dlv show HEAD:<path>' says how a file was read, and lists its tensors.
`;

const REVISIONS = `How versions are named

A revision names a version:

  HEAD, @              where you are
  model                the tip of the branch that the model is on
  branch               the tip of a branch of the current model
  model/branch         the tip of a branch of any model
  tag                  the version that a tag names
  model@7              the version that was given the number 7 in its model
  model/branch@7       the 7 in the history of that branch
  9c1f0e6f0b           a version id, or at least four of its first digits

and after any of them:

  ~2                   two first parents up
  ^2                   the second parent
  @{1}                 what the branch named one move ago

A number is given once: after commit, amend, switch, reset, gc and the end of a
branch model@7 means the version that it meant before, or nothing. Where clones
gave one number twice, or older versions of dlv counted each branch for itself,
model@7 is ambiguous, and the error lists the names to choose from. log, show and
list print the name that is good for a paper or a configuration; with --json it is
the member 'name'.
`;

/** By name. */
export const TOPICS: Readonly<Record<string, Topic>> = {
  formats: { summary: 'which model files are understood', text: FORMATS },
  ignore: { summary: 'which files are left alone: .dlvignore and .gitignore', text: IGNORE },
  revisions: { summary: 'how versions are named: model@7, HEAD~1 and others', text: REVISIONS },
};

/** The list of topics at the end of `dlv --help`. */
export function topicList(): string {
  const rows = Object.entries(TOPICS).map(([name, { summary }]) => {
    return `  dlv help ${name.padEnd(10)} ${summary}`;
  });
  return ['', 'Topics:', ...rows].join('\n');
}
