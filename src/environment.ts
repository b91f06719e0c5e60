import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/** The settings' variables: those of the process, and below them those of the file `.env` in the current folder. */
export function readEnvironment(): Readonly<Record<string, string | undefined>> {
  const file = existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {};
  return { ...file, ...process.env };
}
