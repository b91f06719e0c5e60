import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { hasTerminals, startInTerminal } from '../support/terminal-process.ts';

describe.skipIf(!hasTerminals)('a transfer in a terminal', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start({ WORKER: 'off' });
    await fleet.createTenants({ acme: 'SCHEMA' });
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  // A terminal whose size nobody has set has no columns.
  it.each([
    ['whose size is unknown', 0, 'DATABASE'],
    ['of 70 columns', 70, 'Schema'],
  ])('%s is shown event by event', async (_name, columns, isolation) => {
    const env = { NODE_ENV: 'test', DATA_DIR: fleet.app.services.config.dataDir };
    const command = startInTerminal(['tenant', 'move', 'acme', '--isolation', isolation, '--keep', '0'], env, columns);
    expect(await command.ended).toBe(0);
    const lines = stripVTControlCharacters(command.raw()).split(/\r?\n/);
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^created: move acme to a (database|schema) on the server default$/),
        'started: a process works on it',
        'paused: requests are refused',
        expect.stringMatching(/^copied: [\d,]+ rows?, [\d.]+ (bytes|kB)$/),
        expect.stringMatching(/^The tenant acme is now on the server default: .* It was paused for [\d.]+ m?s\.$/),
      ]),
    );
  });
});
