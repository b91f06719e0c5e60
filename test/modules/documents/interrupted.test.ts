import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { FileLab, put, stores } from './file-lab.ts';

describe.each(Object.keys(stores) as (keyof typeof stores)[])('an interruption, with the store %s', (kind) => {
  let lab: FileLab;
  beforeAll(async () => {
    lab = await FileLab.start(kind);
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** Sends the beginning of an upload, and waits until it is in the store; gives a function that leaves. */
  async function begin(url: string, size: number): Promise<() => void> {
    const { port, pathname } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1').on('error', () => undefined);
    socket.write(`PUT ${pathname} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: ${size}\r\n\r\n`);
    socket.write('x'.repeat(size / 2));
    await eventually('the upload begins', async () => {
      // The server holds back what arrived last.
      socket.write('x');
      return (await lab.store.keys()).length > 0;
    });
    return () => socket.destroy();
  }

  /** Changes rows of a tenant as its owner. */
  async function asOwner(sql: string): Promise<unknown[]> {
    const { services } = lab.app;
    const tenant = (await services.directory.byReference('acme')) ?? expect.unreachable();
    const server = services.servers.get(tenant.server) ?? expect.unreachable();
    return server.owner(tenant.database, async (client) => {
      await client.query(`SET search_path = ${tenant.schema}`);
      return (await client.query(sql)).rows;
    });
  }

  it('of an upload leaves nothing, and the URL works again', async () => {
    const { id, url } = await lab.announce({ size: 200_000 });
    const leave = await begin(url, 200_000);
    expect((await put(url, 'y'.repeat(200_000))).status).toBe(409);
    const remove = `mutation { deleteFile(id: "${id}") }`;
    expect((await lab.refusal(remove)).extensions.code).toBe('CONFLICT');
    leave();
    await eventually('nothing is left', async () => (await lab.store.keys()).length === 0);
    await expect.poll(() => lab.ask(`{ file(id: "${id}") { status } }`)).toEqual({ file: { status: 'PENDING' } });
    expect((await put(url, 'y'.repeat(200_000))).status).toBe(201);
    expect(await lab.ask(remove)).toEqual({ deleteFile: true });
  });

  it('of the server leaves rows that the next upload removes, with what is in the store', async () => {
    const stored = await lab.upload('kept');
    const { id } = await lab.announce();
    const { id: waiting } = await lab.announce();
    // What a process leaves that is killed after it has written the bytes, and one that is killed after a deletion.
    const removed = await lab.upload('removed');
    await asOwner(
      `UPDATE files SET status = 'UPLOADING', upload_deadline = now() - interval '2 minutes' WHERE id = '${id}'`,
    );
    await asOwner(
      `WITH gone AS (DELETE FROM files WHERE id = '${removed}' RETURNING id) INSERT INTO removed_files SELECT id FROM gone`,
    );
    expect(await lab.store.keys()).toHaveLength(2);
    await lab.announce();
    expect((await lab.store.keys()).map((key) => key.split('/')[1])).toEqual([stored]);
    expect(await asOwner('SELECT id FROM removed_files')).toEqual([]);
    const { files } = await lab.ask<{ files: { nodes: { id: string }[] } }>('{ files { nodes { id } } }');
    const ids = files.nodes.map((file) => file.id);
    expect(ids).toContain(waiting);
    expect(ids).not.toContain(id);
    await lab.ask(`mutation { deleteFile(id: "${stored}") }`);
  });
});
