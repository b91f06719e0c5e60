import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Checkout, copyCheckout } from '../support/checkout.ts';
import { childEnv } from '../support/child-env.ts';
import { programs } from '../support/product.ts';

let checkout: Checkout;
beforeAll(() => {
  checkout = copyCheckout();
});
afterAll(() => checkout[Symbol.dispose]());

/** Runs the command line of the copy, with settings that name a server where none is. */
const tenantry = (...argv: string[]) =>
  promisify(execFile)(process.execPath, [checkout.file(programs.cli), ...argv], {
    cwd: checkout.dir,
    env: { ...childEnv, NODE_ENV: 'test', DATABASE_URL: 'postgres://nobody:x@127.0.0.1:9/postgres' },
  });

it.each([
  ['auth', 'src/catalog/entities/user.entity.ts', 'users'],
  ['constants', 'src/constants/country.entity.ts', 'countries'],
])(
  'migrate new writes a migration of %s from its changed entities, without a database',
  async (scope, entity, table) => {
    checkout.edit(entity, 'name: p.text(),', 'name: p.text(),\n    nickname: p.text().nullable(),');
    const { stdout, stderr } = await tenantry('migrate', 'new', 'add nicknames', '--scope', scope);
    expect(stderr).toBe(`DROP: down() drops the column ${table}.nickname with all its values.\n`);
    expect(stdout).toMatch(new RegExp(`^migrations/${scope}/\\d{14}_add_nicknames\\.ts\\n$`));
    const text = await readFile(path.join(checkout.dir, stdout.trim()), 'utf8');
    expect(text.match(/addSql\(.*\)/g)).toEqual([
      expect.stringMatching(new RegExp(`alter table "${table}" add "nickname" text`)),
      expect.stringMatching(new RegExp(`alter table "${table}" drop column "nickname"`)),
    ]);
  },
);
