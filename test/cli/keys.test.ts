import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { decodeProtectedHeader } from 'jose';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { loadTokenKeys } from '../../src/auth/tokens/keys.ts';
import { createTokens } from '../../src/auth/tokens/tokens.ts';
import { loadConfig } from '../../src/config/config.ts';
import { runCommand } from '../support/run-command.ts';

const dataDir = mkdtempSync(path.join(tmpdir(), 'tenantry-cli-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

describe('tenantry keys rotate', () => {
  const rotate = (env: Record<string, string> = {}) => runCommand(['keys', 'rotate'], { DATA_DIR: dataDir, ...env });
  const token = async (env: Record<string, string> = {}) =>
    (await runCommand(['token', '--tenant', 'acme'], { DATA_DIR: dataDir, ...env })).stdout.trim();
  const tokensOf = async (env: Record<string, string> = {}) => {
    const { tokens } = loadConfig(env);
    return createTokens(await loadTokenKeys(tokens.keys, dataDir), tokens, pino({ level: 'silent' }));
  };

  it('gives development a new key, and the tokens from before are good still', async () => {
    const before = await token();
    const { exit, stdout, stderr } = await rotate();
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    expect(stdout).toContain('jwt-key.json. Restart the servers');
    const after = await token();
    expect(decodeProtectedHeader(after).kid).not.toBe(decodeProtectedHeader(before).kid);
    const tokens = await tokensOf();
    for (const one of [before, after]) expect(await tokens.verify(one)).toMatchObject({ tenant: 'acme' });
  });

  it('prints settings, from none to a key and from a key to the next, with which earlier tokens are good still', async () => {
    const settings = async (env: Record<string, string>) => {
      const { stdout } = await rotate(env);
      // What the command prints is both of these.
      return parseEnv(stdout) as { JWT_PUBLIC_KEY: string; JWT_PRIVATE_KEY: string };
    };
    const first = await settings({ JWT_SECRET: 'x'.repeat(32) });
    expect(first.JWT_PUBLIC_KEY).not.toContain('"d"');
    const old = await token(first);
    const second = await settings(first);
    expect(second.JWT_PRIVATE_KEY).not.toBe(first.JWT_PRIVATE_KEY);
    // On the way there: the new public keys first, and still the old private key.
    const between = await tokensOf({ ...second, JWT_PRIVATE_KEY: first.JWT_PRIVATE_KEY });
    const fresh = await token(second);
    for (const tokens of [between, await tokensOf(second)]) {
      for (const one of [old, fresh]) expect(await tokens.verify(one)).toMatchObject({ tenant: 'acme' });
    }
  });
});
