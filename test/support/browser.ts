import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** How to have the tests in a browser run where they are skipped. */
export const howToGetABrowser = 'install Chromium, or set CHROMIUM to the program of a browser like it';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * The program of a browser: what CHROMIUM says, else the first of the well-known names on PATH.
 * @returns undefined if there is none
 * @throws {Error} if CHROMIUM names no program or, with REQUIRE_BROWSER, if there is none
 */
export function findBrowser(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = (env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  const find = (name: string) => folders.map((folder) => path.resolve(folder, name)).find(isProgram);
  const named = env.CHROMIUM ? find(env.CHROMIUM) : undefined;
  if (env.CHROMIUM && !named) throw new Error(`CHROMIUM is ${env.CHROMIUM}, which is no program`);
  const found = named ?? names.map(find).find((program) => program !== undefined);
  if (env.REQUIRE_BROWSER && !found) throw new Error(`There is no browser: ${howToGetABrowser}`);
  return found;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
