import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { FileLab, stores } from './file-lab.ts';

describe.each(Object.keys(stores) as (keyof typeof stores)[])(
  'a clone of a tenant with files in the store %s',
  (kind) => {
    let lab: FileLab;
    beforeAll(async () => {
      lab = await FileLab.start(kind);
    });
    afterAll(() => lab?.[Symbol.asyncDispose]());

    it('has files of its own, and takes them along when it is deleted', async () => {
      const file = await lab.upload('hello');
      const ask = async (query: string) => {
        const { data, errors } = await lab.app.ask(query, lab.app.admin);
        expect(errors).toBeUndefined();
        return data ?? {};
      };
      const { cloneTenant } = await ask('mutation { cloneTenant(input: { tenant: "acme", slug: "sandbox" }) { id } }');
      const { id } = cloneTenant as { id: string };
      const status = await eventually('it has ended', async () => {
        const { tenantTransfer } = await ask(`{ tenantTransfer(id: "${id}") { status endedAt error } }`);
        const found = tenantTransfer as { status: string; endedAt: string | null };
        return found.endedAt !== null && found;
      });
      expect(status).toMatchObject({ status: 'SUCCEEDED', error: null });
      expect(await (await fetch(await lab.urlOf(file, 'sandbox'))).text()).toBe('hello');
      expect(await lab.store.keys()).toHaveLength(2);
      await ask('mutation { deleteTenant(id: "sandbox", slug: "sandbox", purge: true) { id } }');
      expect(await lab.store.keys()).toHaveLength(1);
      expect(await (await fetch(await lab.urlOf(file, 'acme'))).text()).toBe('hello');
    });
  },
);
