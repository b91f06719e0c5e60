import { readFileSync } from 'node:fs';
import { z } from 'zod';

const manifest = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')));

/** What this server calls itself. */
export const productName = 'Tenantry';

/** The version in package.json. */
export const productVersion = manifest.version;
