import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';
import { documents } from '../../../src/modules/documents/index.ts';
import { fileKey, prefixOf, type StoredObject } from '../../../src/modules/documents/store/file-store.ts';
import { storeOf } from '../../../src/modules/documents/store/store-of.ts';
import type { TenantFile } from '../../../src/platform.ts';
import { stores } from './file-lab.ts';

async function* bytesOf(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('half');
  throw new Error('the client has left');
}

describe.each(Object.keys(stores) as (keyof typeof stores)[])('the store %s', (kind) => {
  it('keeps, replaces, lists, copies and deletes what is under a prefix', async () => {
    await using inside = await stores[kind]();
    const { files } = loadConfig(inside.env);
    const store = await storeOf({ files, log: pino({ enabled: false }), deriveKey: () => new Uint8Array() });
    const [ours, theirs, clone] = [randomUUID(), randomUUID(), randomUUID()];
    const ids = Array.from({ length: 7 }, () => randomUUID()).sort();
    const read = async (key: string, start = 0, end = 4) => {
      const source = await store.read(key, { start, end }, new AbortController().signal);
      return source && text(source);
    };
    const list = async (tenant: string) => {
      const found: StoredObject[] = [];
      for await (const object of store.list(prefixOf(tenant))) found.push(object);
      return found.toSorted((a, b) => a.key.localeCompare(b.key));
    };
    for (const id of ids) await store.write(fileKey(ours, id), bytesOf('he', 'llo'), 5);
    await store.write(fileKey(theirs, ids[0] ?? ''), bytesOf('their'), 5);
    const first = fileKey(ours, ids[0] ?? '');
    await store.write(first, bytesOf('h', 'allo'), 5);
    expect([await read(first), await read(first, 1, 2), await read(fileKey(theirs, ids[1] ?? ''))]).toEqual([
      'hallo',
      'al',
      undefined,
    ]);
    await expect(store.write(first, broken(), 5)).rejects.toThrow('the client has left');
    expect(await read(first)).toBe('hallo');
    expect(await list(ours)).toEqual(ids.map((id) => ({ key: fileKey(ours, id), size: 5 })));
    for (let time = 0; time < 2; time += 1) await store.copyAll(prefixOf(ours), prefixOf(clone));
    expect(await list(clone)).toHaveLength(7);
    expect(await read(fileKey(clone, ids[0] ?? ''))).toBe('hallo');
    for (let time = 0; time < 2; time += 1) await store.delete(first);
    expect(await list(ours)).toHaveLength(6);
    for (let time = 0; time < 2; time += 1) await store.deleteAll(prefixOf(ours));
    expect([await list(ours), (await list(clone)).length, (await list(theirs)).length]).toEqual([[], 7, 1]);
    expect(await inside.keys()).toHaveLength(8);
  });

  it("gives and takes a tenant's files for clones and archives", async () => {
    await using inside = await stores[kind]();
    const { files } = loadConfig(inside.env);
    const ofTenants = await documents.files({
      files,
      log: pino({ enabled: false }),
      deriveKey: () => new Uint8Array(),
    });
    const [ours, imported, id] = [randomUUID(), randomUUID(), randomUUID()];
    const { signal } = new AbortController();
    const list = async (tenant: string) => {
      const found: TenantFile[] = [];
      for await (const file of ofTenants.list(tenant)) found.push(file);
      return found;
    };
    await ofTenants.write(ours, { name: id, bytes: 5 }, bytesOf('he', 'llo'));
    expect(await list(ours)).toEqual([{ name: id, bytes: 5 }]);
    const content = await ofTenants.read(ours, { name: id, bytes: 5 }, signal);
    await ofTenants.write(imported, { name: id, bytes: 5 }, content ?? bytesOf());
    expect(await list(imported)).toEqual([{ name: id, bytes: 5 }]);
    expect(await ofTenants.read(imported, { name: randomUUID(), bytes: 5 }, signal)).toBeUndefined();
    await expect(ofTenants.write(imported, { name: '../x', bytes: 1 }, bytesOf('x'))).rejects.toThrow('not the id');
    await ofTenants.removeAll(imported);
    expect([await list(imported), (await list(ours)).length]).toEqual([[], 1]);
  });
});

it.each(['', '.', '..', '../x', 'acme', `${randomUUID()}/..`, randomUUID().toUpperCase()])(
  '%s is no id in a key',
  (id) => {
    expect(() => prefixOf(id)).toThrow('is not an id');
    expect(() => fileKey(randomUUID(), id)).toThrow('is not an id');
  },
);
