import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneTenant } from '../../support/clones.ts';
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
      const file = await lab.upload('hello', { name: 'Ada Lovelace.txt' });
      const text = 'title: "Letter to Ada", description: "from Charles"';
      await lab.ask(`mutation { createDocument(input: { ${text}, file: "${file}" }) { id } }`);
      // Nobody can mask what is in a file.
      await cloneTenant(lab.app, 'acme', 'masked');
      expect(await lab.store.keys()).toHaveLength(1);
      const masked = await fetch(await lab.urlOf(file, 'masked'));
      expect({ status: masked.status, text: await masked.text() }).toEqual({
        status: 404,
        text: expect.stringContaining('A neutralized clone of a tenant has no contents of files'),
      });
      await cloneTenant(lab.app, 'acme', 'sandbox', 'neutralize: false');
      expect(await (await fetch(await lab.urlOf(file, 'sandbox'))).text()).toBe('hello');
      expect(await lab.store.keys()).toHaveLength(2);
      const texts = '{ documents { nodes { title description file { name } } } }';
      const named = (title: unknown, description: unknown, name: unknown) => ({
        documents: { nodes: [{ title, description, file: { name } }] },
      });
      // What people wrote may name people.
      expect(await lab.ask(texts, 'masked')).toEqual(
        named(expect.stringMatching(/^Document [0-9a-f]{8}$/), null, `file ${file.slice(0, 8)}`),
      );
      expect(await lab.ask(texts)).toEqual(named('Letter to Ada', 'from Charles', 'Ada Lovelace.txt'));
      const purge = 'mutation { deleteTenant(id: "sandbox", slug: "sandbox", purge: true) { id } }';
      expect((await lab.app.ask(purge, lab.app.admin)).errors).toBeUndefined();
      expect(await lab.store.keys()).toHaveLength(1);
      expect(await (await fetch(await lab.urlOf(file, 'acme'))).text()).toBe('hello');
    });
  },
);
