import { describe, expect, it } from 'vitest';
import { useServer } from '../support/use-server.ts';

describe('the console over HTTP', () => {
  const used = useServer();

  it('is one page that may use only its own files and show in no frame', async () => {
    const { status, headers, text } = await used.server.get('/console');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['cache-control']).toBe('no-cache');
    const policy = headers['content-security-policy'];
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(text).not.toMatch(/<script(?![^>]* src=)|<style|\son\w+=|https?:/);
  });

  it('has files that browsers keep for as long as they like, because their addresses change with them', async () => {
    const { text } = await used.server.get('/console');
    const names = [...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, name]) => `/${name}`);
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) {
      const { status, headers } = await used.server.get(name);
      expect([name, status]).toEqual([name, 200]);
      expect(headers['cache-control']).toBe('public, max-age=31536000, immutable');
      expect(headers['x-content-type-options']).toBe('nosniff');
    }
  });

  it('has no other files', async () => {
    const { text } = await used.server.get('/console');
    const base = /href="(console\/\w+)\//.exec(text)?.[1];
    for (const path of [
      `/${base}/types.d.ts`,
      `/${base}/tsconfig.json`,
      `/${base}/../../../package.json`,
      `/${base}/%2e%2e/console.ts`,
      `/${base}/`,
      '/console/main.js',
    ]) {
      expect([path, (await used.server.get(path)).status]).toEqual([path, 404]);
    }
    const posted = await used.server.send({ method: 'POST', path: '/console' });
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD']);
  });

  it('is found with a slash at its end too', async () => {
    const { status, headers } = await used.server.get('/console/');
    expect([status, headers.location]).toEqual([308, '../console']);
  });
});

describe('a server with CONSOLE=false', () => {
  const used = useServer({ CONSOLE: 'false' });

  it('has no console', async () => {
    expect((await used.server.get('/console')).status).toBe(404);
  });
});
