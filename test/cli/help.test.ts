import { execFileSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { createProgram } from '../../src/cli/run.ts';
import { runCommand } from '../support/run-command.ts';

const program = createProgram({
  env: {},
  stdin: new PassThrough(),
  stdout: new PassThrough(),
  stderr: new PassThrough(),
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
    stderr: expect.stringMatching(/^error: fish is no shell\. Allowed choices are bash, zsh\.\n/),
  });
});

it('bash completes commands and options', async () => {
  const { stdout } = await runCommand(['completion', 'bash'], {});
  const complete = (...words: string[]) => {
    const line = ['tenantry', ...words].map((word) => `'${word}'`).join(' ');
    const script = `${stdout}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length}; _tenantry; echo "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', script]).toString().trim();
  };
  expect(complete('mig')).toBe('migrate');
  expect(complete('migrate', 'u')).toBe('up undo');
  expect(complete('migrate', 'up', '--dry-run', '--wav')).toBe('--waves');
  expect(complete('tenant', 'show', 'acme', '--j')).toBe('--json');
  expect((await runCommand(['completion', 'zsh'], {})).stdout).toMatch(/bashcompinit\n_tenantry\(\)/);
});
