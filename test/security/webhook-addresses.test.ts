import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isPublic } from '../../src/webhooks/addresses.ts';
import { sendWebhook } from '../../src/webhooks/send.ts';
import { eventually } from '../support/eventually.ts';
import { startTestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const create = (url: string) =>
  `mutation { createWebhook(input: { url: ${JSON.stringify(url)}, events: [TENANT_CREATED] }) { webhook { id } } }`;

const createTenant = (slug: string) =>
  `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: SCHEMA }) { id } }`;

const read = '{ webhooks { deliveries { nodes { status statusCode error } } } }';

it('of private networks, of this machine, and those that stand for others are not public', () => {
  const hidden = [
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fc00::1',
    'fe80::1',
    'fe80::1%eth0',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    '2002:a00:1::',
    '::7f00:1',
    '200::1',
    '100:0:0:1::1',
    'fec0::1',
    'localhost',
    '',
  ];
  expect(hidden.filter(isPublic)).toEqual([]);
  expect(['93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c', '::ffff:8.8.8.8'].map(isPublic)).toEqual([
    true,
    true,
    true,
  ]);
});

it('of http are not sent to once private networks are no longer allowed', async () => {
  const request = { url: 'http://93.184.215.14:9/', secret: `whsec_${'A'.repeat(44)}`, eventId: 'x', payload: '{}' };
  expect(await sendWebhook(request, false, AbortSignal.timeout(1_000))).toEqual({
    statusCode: null,
    error: 'Without WEBHOOK_PRIVATE_NETWORKS=true, the URL of a webhook must begin with https://',
  });
});

describe('a webhook', () => {
  let postgres: TestPostgres;
  let receiver: WebhookReceiver;

  beforeAll(async () => {
    [postgres, receiver] = await Promise.all([startInstalledPostgres(), WebhookReceiver.start()]);
  });
  afterAll(async () => {
    await receiver[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  it('is refused at a private address, however it is written, by a name, and without TLS', async () => {
    await using app = await startTestApp(postgres.env);
    for (const url of [
      'https://127.0.0.1/',
      'https://127.1/',
      'https://2130706433/',
      'https://0x7f000001/',
      'https://[::1]/',
      'https://[::ffff:127.0.0.1]/',
      'https://169.254.169.254/latest/meta-data',
      'https://localhost/',
      'https://LOCALHOST/',
      'http://93.184.215.14/',
      'https://user:secret@93.184.215.14/',
      'file:///etc/passwd',
      'nothing',
      `https://example.com/${'x'.repeat(2000)}`,
    ]) {
      const { errors } = await app.ask(create(url), app.admin);
      expect({ url, code: errors?.[0]?.extensions.code }).toEqual({ url, code: 'BAD_USER_INPUT' });
    }
    const { data } = await app.ask('{ webhooks { id } }', app.admin);
    expect(data).toEqual({ webhooks: [] });
  });

  it('that was created before is not sent to a private address, neither by its number nor by a name', async () => {
    {
      await using app = await startTestApp({ ...postgres.env, WEBHOOK_PRIVATE_NETWORKS: 'true', WORKER: 'off' });
      for (const host of ['127.0.0.1', 'localhost']) {
        const { errors } = await app.ask(create(receiver.url('/private', host)), app.admin);
        expect(errors).toBeUndefined();
      }
      expect((await app.ask(createTenant('hidden'), app.admin)).errors).toBeUndefined();
    }
    await using app = await startTestApp(postgres.env);
    await eventually('both were tried', async () => {
      const { data } = await app.ask(read, app.admin);
      return JSON.stringify(data).match(/is not public/g)?.length === 2;
    });
    expect(receiver.requests).toEqual([]);
    await app.services.catalog.use((client) => client.query('DELETE FROM webhooks'));
  });

  it('does not follow a redirect, and reads only the beginning of a response', async () => {
    await using app = await startTestApp({ ...postgres.env, WEBHOOK_PRIVATE_NETWORKS: 'true' });
    let written = 0;
    let isClosed = false;
    receiver.answer = (response, { path }) => {
      if (path === '/redirects') return response.writeHead(307, { location: receiver.url('/secret') }).end();
      response.writeHead(200);
      const write = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536))) written += 65_536;
      };
      response.on('drain', write).on('close', () => {
        isClosed = true;
      });
      return write();
    };
    for (const path of ['/redirects', '/endless']) await app.ask(create(receiver.url(path)), app.admin);
    await app.ask(createTenant('redirected'), app.admin);
    const shown = await eventually('both were tried', async () => {
      const { data } = await app.ask(read, app.admin);
      const text = JSON.stringify(data);
      return text.includes('redirects are not followed') && text.includes('DELIVERED') && text;
    });
    expect(shown).toContain('"error":"The receiver answered with the status 307, and redirects are not followed"');
    await eventually('the endless response ends', async () => isClosed);
    // The rest is in the buffers of sockets.
    expect(written).toBeLessThan(20_000_000);
    expect(receiver.requests.map(({ path }) => path)).not.toContain('/secret');
  });

  it('waits ten seconds for a receiver, not for the end of its response, and is not held by another protocol', async () => {
    await using app = await startTestApp({ ...postgres.env, WEBHOOK_PRIVATE_NETWORKS: 'true' });
    await app.services.catalog.use((client) => client.query('DELETE FROM webhooks'));
    receiver.answer = (response, { path }) => {
      if (path === '/slow') response.writeHead(200).write('a beginning');
      if (path === '/other') response.socket?.write('HTTP/1.1 101 Other\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n');
    };
    for (const path of ['/silent', '/slow', '/other']) await app.ask(create(receiver.url(path)), app.admin);
    await app.ask(createTenant('waiting'), app.admin);
    const shown = await eventually('all have ended', async () => {
      const { data } = await app.ask(read, app.admin);
      const text = JSON.stringify(data);
      return ['no response', 'without a response', 'DELIVERED'].every((part) => text.includes(part)) && text;
    });
    expect(shown).toContain('{"status":"PENDING","statusCode":null,"error":"There was no response within 10 s"}');
    expect(shown).toContain('{"status":"DELIVERED","statusCode":200,"error":null}');
  });
});
