import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { messageOf } from '../lib/errors.ts';

/** Where settings come from. */
export interface Environment {
  /** The settings' variables: those of the process, and below them those of the file `.env` in the current folder. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The names in that file, whose writer meant them for us. */
  readonly fileNames: readonly string[];
}

/**
 * Reads the variables of the process and the file `.env`.
 * @throws {Error} that says so, if the file is there and cannot be read
 */
export function readEnvironment(): Environment {
  const file = existsSync('.env') ? parseEnv(readFile()) : {};
  return { env: { ...file, ...process.env }, fileNames: Object.keys(file) };
}

function readFile(): string {
  try {
    return readFileSync('.env', 'utf8');
  } catch (error) {
    throw new Error(`The file .env cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
