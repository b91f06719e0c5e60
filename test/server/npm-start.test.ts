import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { processStart } from '../../src/postgres/embedded/processes.ts';
import { makeInstallationDir } from '../support/empty-cluster.ts';
import { removeDataDir } from '../support/remove-data-dir.ts';
import { type NpmServer, startWithNpm } from '../support/server-process.ts';

describe('npm start', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await makeInstallationDir('tenantry-npm-');
  });
  afterEach(() => removeDataDir(dataDir));

  it.each<[string, (server: NpmServer) => void]>([
    ['SIGTERM to npm', (server) => server.signal('SIGTERM')],
    [
      'Ctrl-C, which a terminal sends to npm and to Node, and npm to Node again',
      (server) => server.signalAll('SIGINT'),
    ],
  ])('leaves nothing running after %s', async (_name, stop) => {
    await using server = startWithNpm({ DATA_DIR: dataDir });
    const client = await server.listening();
    const postgres = Number(/PostgreSQL \d+ listens .*\(process (\d+)\)/.exec(server.output())?.[1]);
    expect(await processStart(postgres)).toBeDefined();
    stop(server);
    // A process that is left would keep its output open.
    expect(await server.ended).toEqual({ code: 0, signal: null });
    expect(server.output()).toContain('PostgreSQL has stopped');
    expect(await processStart(postgres)).toBeUndefined();
    await expect(client.get('/health/live')).rejects.toThrow(/ECONNREFUSED/);
  });
});
