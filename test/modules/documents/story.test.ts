import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileLab, put, refusalOf, sha256, stores } from './file-lab.ts';

describe.each(Object.keys(stores) as (keyof typeof stores)[])('files in the store %s', (kind) => {
  let lab: FileLab;
  beforeAll(async () => {
    lab = await FileLab.start(kind);
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  it.each(['acme', 'beta'])(
    'are uploaded, described, downloaded, renamed and deleted by members of %s',
    async (slug) => {
      const content = randomBytes(300_000);
      const announced = await lab.ask<{ createUpload: { url: string; expiresAt: string; file: { id: string } } }>(
        lab.announceText({
          name: 'a.bin',
          contentType: 'application/pdf',
          size: content.length,
          sha256: sha256(content),
        }),
        slug,
      );
      const { url, expiresAt, file } = announced.createUpload;
      expect(file).toEqual({ id: expect.any(String), status: 'PENDING', downloadUrl: null });
      expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(200_000);
      const uploaded = await put(lab.absolute(url), content, 'application/pdf');
      expect(uploaded.status).toBe(201);
      expect(await uploaded.json()).toEqual({ id: file.id, size: content.length, sha256: sha256(content) });
      expect(uploaded.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);

      const create = `mutation { createDocument(input: { title: " A plan ", file: "${file.id}" }) {
      id title description version file { name size sha256 status uploadedAt } } }`;
      const { createDocument } = await lab.ask<{ createDocument: { id: string } }>(create, slug);
      const stored = { size: '300000', sha256: sha256(content), status: 'STORED', uploadedAt: expect.any(String) };
      expect(createDocument).toEqual({
        id: expect.any(String),
        title: 'A plan',
        description: null,
        version: 1,
        file: { name: 'a.bin', ...stored },
      });
      const usage = '{ fileUsage { files bytes } }';
      expect(await lab.ask(usage, slug)).toEqual({ fileUsage: { files: 1, bytes: '300000' } });

      const response = await fetch(await lab.urlOf(file.id, slug));
      expect(response.status).toBe(200);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'content-type': 'application/pdf',
        'content-length': '300000',
        'content-disposition': 'attachment; filename=a.bin',
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'; sandbox",
        'cache-control': 'private, no-cache',
        etag: `"${sha256(content)}"`,
      });
      expect(content.equals(Buffer.from(await response.arrayBuffer()))).toBe(true);

      const rename = `mutation { updateFile(id: "${file.id}", input: { name: "b.pdf" }) { name } }`;
      expect(await lab.ask(rename, slug)).toEqual({ updateFile: { name: 'b.pdf' } });
      const find =
        '{ documents(filter: { file: { name: { startsWith: "B" } } }) { nodes { file { name } } } files { totalCount } }';
      expect(await lab.ask(find, slug)).toEqual({
        documents: { nodes: [{ file: { name: 'b.pdf' } }] },
        files: { totalCount: 1 },
      });

      const remove = `mutation { deleteFile(id: "${file.id}") }`;
      expect((await lab.refusal(remove, slug)).extensions).toMatchObject({ code: 'CONFLICT' });
      const link = await lab.urlOf(file.id, slug);
      await lab.ask(`mutation { deleteDocument(id: "${createDocument.id}") }`, slug);
      expect(await lab.store.keys()).toHaveLength(1);
      expect(await lab.ask(remove, slug)).toEqual({ deleteFile: true });
      expect(await lab.store.keys()).toEqual([]);
      expect(await lab.ask(remove, slug)).toEqual({ deleteFile: false });
      expect(await refusalOf(await fetch(link))).toMatchObject({ status: 404, code: 'NOT_FOUND' });
      expect(await lab.ask(usage, slug)).toEqual({ fileUsage: { files: 0, bytes: '0' } });
    },
  );

  it('are each tenant’s own, and go with it', async () => {
    await lab.createTenant('gone', 'SCHEMA');
    await lab.createTenant('gone-db', 'DATABASE');
    const ids = new Map<string, string>();
    for (const slug of ['acme', 'gone', 'gone-db']) {
      for (const text of ['one', 'two', 'three', 'four']) ids.set(slug, await lab.upload(`${slug} ${text}`, {}, slug));
    }
    const links = await Promise.all([...ids].map(async ([slug, id]) => [slug, await lab.urlOf(id, slug)] as const));
    for (const [slug, link] of links) expect(await (await fetch(link)).text()).toBe(`${slug} four`);
    expect(await lab.store.keys()).toHaveLength(12);
    for (const slug of ['gone', 'gone-db']) {
      const text = `mutation { deleteTenant(id: "${slug}", slug: "${slug}", purge: true) { slug } }`;
      expect((await lab.app.ask(text, lab.app.admin)).errors).toBeUndefined();
    }
    expect(await lab.store.keys()).toHaveLength(4);
    const outcomes = await Promise.all(links.map(async ([, link]) => (await fetch(link)).status));
    expect(outcomes).toEqual([200, 404, 404]);
  });
});
