import { readFileSync } from 'node:fs';

// The cast is safe: this is our own package.json, which has a version.
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

/** The product's name. */
export const productName = 'Tenantry';

/** The version in package.json. */
export const productVersion = manifest.version;
