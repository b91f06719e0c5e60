import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/run.ts';
import { product } from '../support/product.ts';
import { runCommand } from '../support/run-command.ts';

const program = createProgram({
  env: {},
  stdin: new PassThrough(),
  stdout: new PassThrough(),
  stderr: new PassThrough(),
  loadProduct: () => Promise.resolve(product),
});

/** The names of all commands, such as `['migrate', 'up']`. */
function pathsOf(command: Command, path: readonly string[] = []): (readonly string[])[] {
  return [path, ...command.commands.flatMap((inner) => pathsOf(inner, [...path, inner.name()]))];
}

it("every command's help is as it was; after a wanted change: npx vitest run test/cli/help.test.ts -u", async () => {
  const texts: string[] = [];
  for (const path of pathsOf(program)) {
    const { exit, stdout, stderr } = await runCommand([...path, '--help'], {});
    expect({ path, exit, stderr }).toEqual({ path, exit: 0, stderr: '' });
    texts.push(`$ tenantry ${[...path, '--help'].join(' ')}\n${stdout}`);
  }
  await expect(texts.join('\n')).toMatchFileSnapshot('help.txt');
});

it('a group without a command is wrong usage, and so is an unknown command', async () => {
  expect(await runCommand(['migrate'], {})).toMatchObject({ exit: 2, stdout: '' });
  expect(await runCommand(['migrate', 'upp'], {})).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining('Did you mean up?'),
  });
  expect(await runCommand(['completion', 'fish'], {})).toMatchObject({
    exit: 2,
    stderr: expect.stringMatching(/^error: fish cannot be the shell\. Allowed choices are bash, zsh\.\n/),
  });
});

const hasZsh = spawnSync('zsh', ['--version']).status === 0;

describe.each([
  { shell: 'bash', args: ['-c'], isThere: true },
  // As bashcompinit calls it: arrays count from 0.
  { shell: 'zsh', args: ['-f', '-o', 'kshArrays', '-c'], isThere: hasZsh },
])('$shell', ({ shell, args, isThere }) => {
  it.skipIf(!isThere)('completes commands, options, and the words of which one is to be chosen', async () => {
    const { stdout } = await runCommand(['completion', shell], {});
    const complete = (...words: string[]) => {
      const line = ['tenantry', ...words].map((word) => `'${word}'`).join(' ');
      const script = `${stdout}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length}; _tenantry; echo "\${COMPREPLY[@]}"`;
      const { stdout: offered, stderr } = spawnSync(shell, [...args, script], { encoding: 'utf8' });
      expect(stderr).toBe('');
      // zsh leaves out what does not begin as typed at a terminal only.
      const fitting = offered
        .trim()
        .split(' ')
        .filter((word) => word.startsWith(words.at(-1) ?? ''));
      return fitting.join(' ');
    };
    expect(complete('mig')).toBe('migrate');
    expect(complete('migrate', 'u')).toBe('up undo');
    expect(complete('migrate', 'up', '--dry-run', '--wav')).toBe('--waves');
    expect(complete('tenant', 'show', 'acme', '--j')).toBe('--json');
    expect(complete('tenant', 'create', 'acme', '--isolation', '')).toBe('database schema');
    expect(complete('completion', 'z')).toBe('zsh');
  });
});

it('tells the version of package.json', async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8'));
  for (const option of ['--version', '-V']) {
    expect(await runCommand([option], {})).toMatchObject({ exit: 0, stdout: `${version}\n`, stderr: '' });
  }
});
