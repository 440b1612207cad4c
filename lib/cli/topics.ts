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
'dlv status --ignored' lists what is ignored, and by which file; 'dlv status --ignored <path>' tells of one file.

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
Numbers have gaps: a stash and an amend each use one, and so does another branch.
`;

const DQL = `DQL in a page: how to ask for models

  select m where m.metrics.acc > 0.9 and m.params.lr < 1e-3 order by m.metrics.acc desc limit 5
  select m.name, best(m["loss"]) as loss from m where m.model like "bert%" order by loss
  select m where m derived from "base@1" and m["conv[1,3,5]"].next has POOL("MAX")
  select a, b where a child of b and a.metrics.acc < b.metrics.acc
  select m.params.opt, count(*), max(m.metrics.acc) from m group by m.params.opt having count(*) > 2

A variable stands for every version; two variables for every pair. What follows it:

  m.name  m.model  m.number  m.time  m.message  m.author  m.step  m.files  m.bytes  m.refs  m.operation
  m.params.lr          a hyperparameter; numbers are numbers
  m.metrics.acc        value of a metric, the last if it has steps, also m["acc"]; best(), lowest(), highest(), at(m["acc"], 100)
  m.env.python  m.data.train
  m["conv*"]           layers whose name or alias fits: * ? [1,3,5] [1-4]; ($1) behind one captures what it took
  .next .prev          the layers behind and before, passing over activations, norms, dropout and reshaping
  .succ .pred          the layers right behind and right before
  .next{1,3} .next+    in one to three steps; in any number
  .path("fc7")         layers on the ways there
  .act .norm           what next passes over
  .kernel .stride .units .channels .groups .params .kind .type .op     of layers, compared one by one

Conditions: = != < <= > >=, like and ilike with % and _, ~ and ~* with a regular expression, in ("a", "b"),
in (select …), between 1 and 2, is null, and, or, not, parentheses;

  m["pool1"].prev has CONV(kernel = 3)     one of the layers is of a kind: CONV FULL POOL NORM ACT RELU LSTM …
  all m["conv*"].succ has RELU             each of the layers named leads to one
  exists m["fc8"]    count(m["conv*"]) > 5
  m derived from "base@1"    m child of n    m ancestor of n    m parent of n

A saved query (dlv query --save good) can be a source: select m from m in "good" where …
A comparison with a value that is missing is neither true nor false, as in SQL: ask 'is null' for it.

slice and construct make new versions; --dry-run says which:

  slice head from m where m.name = "alexnet@3" mutate head.input = m["conv1"] and head.output = m["fc7"]
  construct m2 from m where m["conv*($1)"].next has POOL("AVG") mutate m["conv*($1)"].insert = RELU("relu$1")
  construct wide from m where m.model = "vgg" mutate m["conv1"].replace = CONV(units = 96), m["conv2"].replace = CONV
  construct thin from m where m.model = "vgg" mutate m["*.dropout"].delete
  construct lenet as INPUT(1, 28, 28) -> CONV(units = 6, kernel = 5, pad = 2) -> RELU -> POOL("MAX") -> FULL(units = 10)
  construct vgg as INPUT(3, 32, 32) -> (CONV(units = 64, kernel = 3, pad = "same") -> RELU){2} -> FULL(units = 10) seed 1

evaluate trains versions with the settings of a JSON file, and keeps the best as versions of 't':

  evaluate t from "lenet@1" with config = "train.json" vary config.base_lr in [0.1, 0.01] keep top(1, t["loss"], 100)
  evaluate t from "lenet@1" with config = "train.json" vary config.base_lr auto and config.net["conv*"].lr auto
    using tpe trials 30 keep top(8, t["test_loss"], 100) then top(1, t["test_loss"], 1000)

docs/dql.md has the whole language.
`;

/** By name. */
export const TOPICS: Readonly<Record<string, Topic>> = {
  dql: { summary: 'how to ask for models: the language of dlv query', text: DQL },
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
