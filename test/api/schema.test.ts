import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('is printed in schema.graphql; npm run schema updates it', () => {
  // With the modules themselves, and not the fixture of the tests.
  const env = { ...process.env, NODE_OPTIONS: '' };
  const printed = execFileSync(process.execPath, ['scripts/print-schema.ts'], { encoding: 'utf8', env });
  expect(readFileSync('schema.graphql', 'utf8')).toBe(printed);
});
