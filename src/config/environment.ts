import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { messageOf } from '../lib/errors.ts';

/** The variables that settings are read from. */
export interface Environment {
  /** The variables of the process, and those of the file `.env` in the current folder. The process's take precedence. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The names in that file. All of them are meant as settings. */
  readonly fileNames: readonly string[];
}

/**
 * Reads the variables of the process and of the file `.env`. Settings are read nowhere else: `settings.ts` parses them, and
 * `config.ts` validates and groups them.
 * @throws {Error} if the file exists and cannot be read
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
