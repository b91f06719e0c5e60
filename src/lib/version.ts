import { readFileSync } from 'node:fs';

// Our own file, which has one.
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

/** What this server calls itself. */
export const productName = 'Tenantry';

/** The version in package.json. */
export const productVersion = manifest.version;
