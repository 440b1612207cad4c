/**
 * `dlv help <topic>`: subjects that concern several commands.
 *
 * A topic has a name that no command has, a line for the list in `dlv --help`, and a text.
 */

export interface Topic {
  summary: string;
  text: string;
}

const IGNORE = `Files that dlv ignores

'dlv add <folder>' and 'dlv status' skip files that .dlvignore or .gitignore names. Files that are already
tracked are never skipped.

  .dlvignore      patterns for dlv, in any folder; they override every .gitignore
  .gitignore      read as git reads it, from the root of the git work tree down
  .git/info/exclude

Files, folders and globs (such as 'runs/**/*.pt') that you name are added even if git ignores them. What
.dlvignore names is added only with 'dlv add --force'. '.git' and '.dlv' are never added.

The patterns are those of .gitignore, one in each line:

  *.tmp           files and folders whose name matches, in this folder and below
  /build          only in this folder, because of the slash at the front
  runs/old        only in this folder, because of the slash inside
  logs/           only folders, with everything in them
  run/**/x        x at any depth below run
  !keep.tmp       an exception; later lines override earlier ones, and inner folders outer ones
  # text          a comment
  \\#x \\!x         names that begin with # or !
  [ab] ? \\*       a or b, any character, a star

A file in an ignored folder stays ignored, even if an exception matches it: except the folder first.

In a git repository, model files are usually in .gitignore. To have 'dlv add .' add them, write in .dlvignore:

  !*.safetensors
  !checkpoints/
`;

const FORMATS = `Formats that dlv understands

dlv detects the format from the content, not from the name. Each tensor is stored by itself: equal tensors once,
related ones as differences. 'dlv diff' compares tensors number by number.

  safetensors     single files and sharded ones (model.safetensors.index.json and its shards)
  PyTorch         .pt, .pth, .bin, .ckpt: zip and older files, torch.distributed checkpoints; the pickle is
                  read as data and never run
  ONNX            initializers, constants, external data in files beside the model
  NumPy           .npy and .npz

Any other file is stored byte for byte in pieces, and equal pieces are stored once. A model file that is truncated,
inconsistent or compressed is stored in the same way, with a warning if its name is that of a model. Every file,
whatever its format, is restored with the same sha256.

'dlv show HEAD:<path>' shows how dlv read a file, and lists its tensors.
`;

const REVISIONS = `How versions are named

A revision names a version:

  HEAD, @              the current version
  model                the tip of the branch that the model is on
  branch               the tip of a branch of the current model
  model/branch         the tip of a branch of any model
  tag                  the version that a tag names
  model@7              the version with the number 7 in its model
  model/branch@7       the version 7 in the history of that branch
  9c1f0e6f0b           a version id, or at least four of its first digits

and after any of them:

  ~2                   two first parents up
  ^2                   the second parent
  @{1}                 what the branch named one move ago

A number is never reused: after commit, amend, switch, reset, gc or the deletion
of a branch, model@7 names the same version as before, or none. If two clones used
the same number, or an older dlv numbered each branch separately, model@7 is
ambiguous, and the error lists the names to choose from. log, show and list print
the name to use in a paper or a configuration; with --json it is the member 'name'.
`;

/** By name. */
export const TOPICS: Readonly<Record<string, Topic>> = {
  formats: { summary: 'which model files are understood', text: FORMATS },
  ignore: { summary: 'which files are ignored: .dlvignore and .gitignore', text: IGNORE },
  revisions: { summary: 'how versions are named: model@7, HEAD~1 and others', text: REVISIONS },
};

/** The list of topics at the end of `dlv --help`. */
export function topicList(): string {
  const rows = Object.entries(TOPICS).map(([name, { summary }]) => {
    return `  dlv help ${name.padEnd(10)} ${summary}`;
  });
  return ['', 'Topics:', ...rows].join('\n');
}
