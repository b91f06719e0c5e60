import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answer, EmbeddedFolder, end, keep, killServer, query } from '../../support/embedded-folder.ts';

let folder: EmbeddedFolder;
beforeEach(async () => {
  folder = await EmbeddedFolder.make();
});
afterEach(() => folder[Symbol.asyncDispose]());

describe('an embedded server', () => {
  it('keeps data, port and password over a restart, and stops more than once', async () => {
    const first = await folder.start();
    expect(first.owned).toBe(true);
    expect(await query(first, 'show max_connections')).toEqual(['300']);
    expect(await query(first, "select datlocprovider, datlocale from pg_database where datname = 'postgres'")).toEqual([
      'b',
      'C.UTF-8',
    ]);
    await query(first, keep);
    await Promise.all([first.stop(), first.stop()]);
    await first.stop();
    await expect(query(first, 'select 1')).rejects.toThrow('ECONNREFUSED');

    const second = await folder.start({ work_mem: '8MB' });
    expect(second).toMatchObject({ port: first.port, password: first.password, owned: true });
    expect(await query(second, answer)).toEqual([42]);
    expect(await query(second, 'show work_mem')).toEqual(['8MB']);
    expect(statSync(join(folder.dataDir, 'embedded.json')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(folder.dataDir, 'postgres.log'), 'utf8')).toContain('ready to accept connections');
    await expect(query({ ...second, password: 'wrong' }, 'select 1')).rejects.toThrow('password authentication failed');
    await second[Symbol.asyncDispose]();
    expect(existsSync(join(folder.dataDir, 'postgres/postmaster.pid'))).toBe(false);
  });

  it('takes another port when its own is taken', async () => {
    const first = await folder.start();
    await first.stop();
    const squatter = createServer().listen(first.port, '127.0.0.1');
    await once(squatter, 'listening');
    const second = await folder.start();
    expect(second.port).not.toBe(first.port);
    expect(await query(second, 'select 1')).toEqual([1]);
    squatter.close();
  });

  it('is taken over after kill -9 of its starter, and after Ctrl-C which ends only the starter', async () => {
    const killed = await folder.startChild();
    await query(killed.server, keep);
    await end(killed.child, 'SIGKILL');
    const heir = await folder.startChild();
    expect(heir.server).toMatchObject({ port: killed.server.port, owned: true });
    expect(heir.server.lines.join()).toContain('took over');

    const exit = once(heir.child, 'exit');
    process.kill(-Number(heir.child.pid), 'SIGINT');
    await exit;
    expect(await query(heir.server, answer)).toEqual([42]);
    const last = await folder.start();
    expect(last.owned).toBe(true);
    await last.stop();
    await expect(query(last, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });

  it('starts again after kill -9 of the server, and of both', async () => {
    const { child, server } = await folder.startChild();
    await query(server, keep);
    await killServer(join(folder.dataDir, 'postgres'));
    // The starter still lives, and so the next one must look for the server rather than trust embedded.json.
    const second = await folder.start();
    expect(second.owned).toBe(true);
    expect(await query(second, answer)).toEqual([42]);
    await end(child);
    expect(await query(second, answer)).toEqual([42]);
    await second.stop();

    const third = await folder.startChild();
    await killServer(join(folder.dataDir, 'postgres'));
    await end(third.child, 'SIGKILL');
    expect(await query(await folder.start(), answer)).toEqual([42]);
  });

  it('ignores a postmaster.pid whose number now belongs to another process of the same user', async () => {
    const first = await folder.start();
    await query(first, keep);
    const cluster = join(folder.dataDir, 'postgres');
    const text = readFileSync(join(cluster, 'postmaster.pid'), 'utf8');
    await first.stop();
    const { uid, gid } = statSync(cluster);
    const other = spawn('sleep', ['60'], { uid, gid });
    folder.children.push(other);
    await writeFile(join(cluster, 'postmaster.pid'), text.replace(/^\d+/, String(other.pid)), { mode: 0o600 });
    expect(await query(await folder.start(), answer)).toEqual([42]);
    expect(folder.lines.join()).toContain('stale postmaster.pid');
    expect(other.exitCode ?? other.signalCode).toBeNull();
  });

  it('starts again after an initdb and a lock holder that were killed halfway', async () => {
    await mkdir(join(folder.dataDir, 'postgres.init-0abc1234/data/base'), { recursive: true });
    await writeFile(join(folder.dataDir, 'postgres.init-0abc1234/data/PG_VERSION'), '18\n');
    await symlink(`${process.pid}|another start time|token`, join(folder.dataDir, 'embedded.lock'));
    const server = await folder.start();
    expect(await query(server, 'select 1')).toEqual([1]);
    expect(readdirSync(folder.dataDir).sort()).toEqual(['embedded.json', 'postgres', 'postgres.log']);
  });

  it('is one server when two processes start at once, and its owner stops it', async () => {
    const both = await Promise.all([folder.startChild(), folder.startChild()]);
    const [owner, guest] = both[0].server.owned ? both : [both[1], both[0]];
    expect(both.map(({ server }) => server.owned).sort()).toEqual([false, true]);
    expect(owner.server.port).toBe(guest.server.port);
    const here = await folder.start();
    expect(here.owned).toBe(false);
    await here.stop();
    await end(guest.child);
    expect(await query(owner.server, 'select 1')).toEqual([1]);
    await end(owner.child);
    await expect(query(owner.server, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });
});

describe('a state that does not fit', () => {
  it('gets a new password when embedded.json was lost, and says so while the server still runs', async () => {
    const first = await folder.start();
    await query(first, keep);
    await rm(join(folder.dataDir, 'embedded.json'));
    await expect(folder.start()).rejects.toThrow(
      /embedded\.json with its password is missing\. Stop that server \(kill -INT \d+\)/,
    );
    await first.stop();
    await writeFile(join(folder.dataDir, 'embedded.json'), '{"port":');
    const second = await folder.start();
    expect(second.password).not.toBe(first.password);
    expect(await query(second, answer)).toEqual([42]);
  });

  it('is refused with a way out', async () => {
    await mkdir(folder.dataDir);
    const cluster = join(folder.dataDir, 'postgres');
    await symlink(join(folder.path, 'gone'), cluster);
    await expect(folder.start()).rejects.toThrow(`${cluster} points to a folder that is gone`);
    await rm(cluster);
    await mkdir(cluster);
    await writeFile(join(cluster, 'notes.txt'), '');
    await expect(folder.start()).rejects.toThrow('not a PostgreSQL cluster');
    await writeFile(join(cluster, 'PG_VERSION'), '17\n');
    await expect(folder.start()).rejects.toThrow(
      'is from PostgreSQL 17, but the programs in node_modules are version 18',
    );
  });

  it('shows the last lines of the log when the server does not start', async () => {
    await expect(folder.start({ shared_buffers: 'plenty' })).rejects.toThrow(
      /Last lines of .*postgres.log:\n.*invalid value for parameter "shared_buffers": "plenty"/,
    );
    expect(await query(await folder.start(), 'select 1')).toEqual([1]);
  });

  it('names DATABASE_URL on a system without programs', async () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform') ?? {};
    Object.defineProperty(process, 'platform', { ...platform, value: 'win32' });
    try {
      await expect(folder.start()).rejects.toThrow('not on win32. Set DATABASE_URL');
    } finally {
      Object.defineProperty(process, 'platform', platform);
    }
  });
});
