/**
 * The scripts that make bash, zsh and fish ask dlv for words.
 *
 * Candidates come as lines `word<tab>about`. Their words may be names that strangers chose: no script hands them to the
 * shell to be expanded (bash's `compgen -W` would run `$(…)` in them), and what goes into the line is quoted.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** A script runs `dlv __complete <words>` to ask for candidates. `dlv --help` does not list it. */
export const COMPLETE = '__complete';

const BASH = `# Completion of dlv for bash. In ~/.bashrc:  source <(dlv completion bash)
_dlv() {
  local line=\${COMP_LINE:0:COMP_POINT} cur words word lines=() skip
  COMPREPLY=()
  cur=\${line##*[[:blank:]]}
  read -ra words <<<"$line"
  [[ -z $cur ]] && words+=('')
  mapfile -t lines < <("\${words[0]}" ${COMPLETE} "\${words[@]:1}" 2>/dev/null)
  # bash cuts words at '=', ':' and '@', too: what is before the cut stays in the line.
  skip=$((\${#cur} - \${#COMP_WORDS[COMP_CWORD]}))
  [[ \${COMP_WORDS[COMP_CWORD]} == [=:@] ]] && skip=\${#cur}
  ((skip < 0)) && skip=0
  for word in "\${lines[@]}"; do
    word=\${word%%$'\\t'*}
    printf -v word '%q' "\${word:skip}"
    COMPREPLY+=("$word")
  done
}
complete -o default -F _dlv dlv
`;

const ZSH = `#compdef dlv
# Completion of dlv for zsh. In ~/.zshrc, after compinit:  source <(dlv completion zsh)
_dlv() {
  local line
  local -a lines values shown
  lines=("\${(@f)$("\${words[1]}" ${COMPLETE} "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "\${lines[@]}"; do
    [[ -z $line ]] && continue
    values+=("\${line%%$'\\t'*}")
    if [[ $line == *$'\\t'?* ]]; then shown+=("\${line%%$'\\t'*}  -- \${line#*$'\\t'}"); else shown+=("\${line%%$'\\t'*}"); fi
  done
  if ((\${#values} > 0)); then compadd -l -d shown -a values; else _files; fi
}
compdef _dlv dlv
`;

const FISH = `# Completion of dlv for fish. In ~/.config/fish/config.fish:  dlv completion fish | source
complete -c dlv -a '(dlv ${COMPLETE} (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`;

const SCRIPTS: Record<Shell, string> = { bash: BASH, zsh: ZSH, fish: FISH };

export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
