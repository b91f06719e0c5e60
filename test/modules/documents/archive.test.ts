import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandResult, commandsOf } from '../../support/run-command.ts';
import { FileLab, sha256, stores } from './file-lab.ts';

describe.each(Object.keys(stores) as (keyof typeof stores)[])(
  'the archive of a tenant with files in the store %s',
  (kind) => {
    let lab: FileLab;
    let folder: string;
    let tenantry: (...argv: string[]) => Promise<CommandResult>;
    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'tenantry-archives-'));
      lab = await FileLab.start(kind);
      tenantry = commandsOf(lab.app, lab.store.env);
    });
    afterAll(async () => {
      await lab?.[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });

    it.each(['schema', 'database'])('becomes a tenant with a %s that has files of its own', async (isolation) => {
      const slug = `${isolation}-copy`;
      const content = Buffer.alloc(300_000, `${isolation} \0\n`);
      const file = await lab.upload(content, { name: `${isolation}.txt` });
      await lab.ask(`mutation { createDocument(input: { title: "${isolation}", file: "${file}" }) { id } }`);
      // It has no content, so the archive has none of it.
      await lab.announce({ name: 'announced.txt' });
      const out = path.join(folder, isolation);
      const before = await lab.store.keys();
      expect(await tenantry('tenant', 'export', 'acme', '--out', out)).toMatchObject({ exit: 0 });
      const imported = await tenantry('tenant', 'import', out, '--slug', slug, '--isolation', isolation);
      expect(imported).toMatchObject({ exit: 0, stderr: '' });
      const texts =
        '{ documents { nodes { title file { id name size sha256 } } } files { totalCount } fileUsage { files bytes } }';
      expect(await lab.ask(texts, slug)).toEqual(await lab.ask(texts));
      const downloaded = await fetch(await lab.urlOf(file, slug));
      expect(sha256(Buffer.from(await downloaded.arrayBuffer()))).toBe(sha256(content));
      expect(await lab.store.keys()).toHaveLength(2 * before.length);
      const purge = `mutation { deleteTenant(id: "${slug}", slug: "${slug}", purge: true) { id } }`;
      expect((await lab.app.ask(purge, lab.app.admin)).errors).toBeUndefined();
      expect((await lab.store.keys()).sort()).toEqual(before.sort());
    });
  },
);
