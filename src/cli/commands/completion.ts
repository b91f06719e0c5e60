import { Argument, type Command } from 'commander';
import type { CommandContext } from '../ui/terminal.ts';

const examples = `
Examples:
  source <(tenantry completion bash)
  tenantry completion zsh > ~/.tenantry.zsh && echo 'source ~/.tenantry.zsh' >> ~/.zshrc`;

/** `tenantry completion bash | zsh`: prints a script that completes commands, options and their choices. */
export function addCompletionCommand(program: Command, { stdout }: CommandContext): void {
  program
    .command('completion')
    .description('Print a completion script for a shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh']))
    .addHelpText('after', examples)
    .action((shell: 'bash' | 'zsh') => {
      // zsh can emulate the completion of bash.
      const setup =
        shell === 'zsh' ? 'autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n' : '';
      stdout.write(`${setup}${bashScript(program)}`);
    });
}

function bashScript(program: Command): string {
  const cases = branches(program, '').map(({ path, words }) => `    '${path}'*) choices='${words.join(' ')}' ;;`);
  const values = [...optionChoices(program)].map(([flag, words]) => `    ${flag}) choices='${words.join(' ')}' ;;`);
  // zsh misinterprets the numbers of a slice without $(( )).
  return `_tenantry() {
  local word choices typed=' '
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    [[ $word == -* ]] || typed+="$word "
  done
  case "$typed" in
${cases.join('\n')}
  esac
  case "\${COMP_WORDS[$((COMP_CWORD - 1))]}" in
${values.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$choices" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _tenantry tenantry
`;
}

/** The choices of options, by option. An option has the same choices in every command. */
function optionChoices(command: Command): Map<string, readonly string[]> {
  const own = command.options.flatMap(({ long, argChoices }): [string, readonly string[]][] =>
    long && argChoices ? [[long, argChoices]] : [],
  );
  return new Map([...own, ...command.commands.flatMap((inner) => [...optionChoices(inner)])]);
}

interface Branch {
  /** The commands so far, each followed by a space. */
  readonly path: string;
  readonly words: readonly string[];
}

/** The words that can follow each command. The longest path comes first, because the first match wins. */
function branches(command: Command, path: string): Branch[] {
  const names = command.commands.map((inner) => inner.name());
  const values = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const options = command.options.flatMap(({ long }) => long ?? []);
  const own = { path: ` ${path}`, words: [...names, ...values, ...options, '--help'] };
  return [...command.commands.flatMap((inner) => branches(inner, `${path}${inner.name()} `)), own];
}
