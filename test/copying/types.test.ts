import { afterAll, beforeAll, expect, it } from 'vitest';
import { copyPlace } from '../../src/copying/copy-place.ts';
import { CopyLab, historySql, type LabPlace } from '../support/copy-lab.ts';
import { insertSql, typesSql } from '../support/every-type.ts';

let lab: CopyLab;
beforeAll(async () => {
  lab = await CopyLab.start();
});
afterAll(() => lab[Symbol.asyncDispose]());

const signal = new AbortController().signal;

/** The rows' texts, with the object ids of what another database knows by another one replaced by names. */
const texts = (place: LabPlace) => place.rows<{ row: string }>('SELECT e::text AS row FROM every_type e ORDER BY id');

const directions = (['DATABASE', 'SCHEMA'] as const).flatMap((from) =>
  (['DATABASE', 'SCHEMA'] as const).flatMap((to) => [[from, to, true] as const, [from, to, false] as const]),
);

it.each(directions)(
  'a %s is copied into a %s, with columns of every type (other server: %s)',
  async (from, to, moves) => {
    const source = await lab.one.make(from, `${historySql}; ${typesSql} ${insertSql}`);
    const target = await lab[moves ? 'other' : 'one'].make(to, `${historySql}; ${typesSql}`);
    const progress = await copyPlace({ from: source, to: target, parallel: 3, signal });
    expect(await texts(target)).toEqual(await texts(source));
    expect(progress.rowsCopied).toBe(progress.rowsTotal);
    expect(progress.rowsCopied).toBeGreaterThan(100);
    expect(progress.bytesCopied).toBeGreaterThan(5000);
    const [next] = await target.rows<{ id: string }>('INSERT INTO every_type DEFAULT VALUES RETURNING id');
    expect(Number(next?.id)).toBe((await texts(source)).length + 1);
  },
);
