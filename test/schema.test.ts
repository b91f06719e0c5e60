import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('is printed in schema.graphql; npm run schema prints it anew', () => {
  const printed = execFileSync(process.execPath, ['scripts/print-schema.ts'], { encoding: 'utf8' });
  expect(readFileSync('schema.graphql', 'utf8')).toBe(printed);
});
