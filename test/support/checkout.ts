import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { errorCode } from '../../src/postgres/embedded/processes.ts';

const copied = [
  ...[
    'package.json',
    '.npmrc',
    'bin',
    'tsconfig.json',
    'biome.json',
    '.gitignore',
    'vitest.config.ts',
    'schema.graphql',
  ],
  ...['README.md', 'CONTRIBUTING.md', 'docs', 'src', 'test', 'bench', 'migrations', 'scripts'],
];

/** A copy of the project, in which a test changes what it likes. */
export interface Checkout extends Disposable {
  readonly dir: string;
  /** The path of one of its files. */
  file(name: string): string;
  /** Changes one place of a file; fails if it is not there. */
  edit(name: string, from: string, to: string): void;
}

/** Copies the project, beside the real one's packages, and ignored by git. */
export function copyCheckout(): Checkout {
  const dir = makeFolder();
  const file = (name: string) => path.join(dir, name);
  for (const name of copied) cpSync(name, file(name), { recursive: true });
  symlinkSync(path.resolve('node_modules'), file('node_modules'));
  return {
    dir,
    file,
    edit(name, from, to) {
      const text = readFileSync(file(name), 'utf8');
      if (!text.includes(from)) throw new Error(`${name} does not have ${from}`);
      writeFileSync(file(name), text.replace(from, to));
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** The first path that is free, not a random one: Node keeps compiled code by path, and to compile all of a copy takes seconds. */
function makeFolder(): string {
  for (let number = 1; ; number += 1) {
    const dir = path.resolve(`artifacts-checkout-${number}`);
    try {
      mkdirSync(dir);
      return dir;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
}
