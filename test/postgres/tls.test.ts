import { execFile } from 'node:child_process';
import { expect, it } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { childEnv } from '../support/child-env.ts';
import { programs } from '../support/product.ts';
import { startTestPostgres } from '../support/start-postgres.ts';

/** Node reads NODE_EXTRA_CA_CERTS when it starts, so this needs a process of its own. */
function doctor(env: Record<string, string>): Promise<string> {
  return new Promise((resolve) => {
    const options = { env: { ...childEnv, NODE_ENV: 'test', ...env } };
    // It fails anyway, because nothing is set up yet.
    execFile(process.execPath, [programs.cli, 'doctor'], options, (_error, stdout) => resolve(stdout));
  });
}

it('a certificate of a private CA is valid where NODE_EXTRA_CA_CERTS names that CA', async () => {
  await using files = await makeCertificates();
  await using postgres = await startTestPostgres({
    ssl: 'on',
    ssl_cert_file: files.certificate,
    ssl_key_file: files.key,
  });
  const { DATABASE_URL: url } = postgres.env;
  const place = `127.0.0.1:${postgres.address.port}`;
  const trusting = { NODE_EXTRA_CA_CERTS: files.ca };
  const [required, unknown, known] = await Promise.all([
    doctor({ DATABASE_URL: `${url}?sslmode=require` }),
    doctor({ DATABASE_URL: `${url}?sslmode=verify-full` }),
    doctor({ DATABASE_URL: `${url}?sslmode=verify-full`, ...trusting }),
  ]);
  expect(required).toMatch(new RegExp(`✓ PostgreSQL \\d+\\.\\d+, ${place}`));
  expect(unknown).toMatch(new RegExp(`✗ PostgreSQL at ${place}: Cannot connect to the server: .*certificate`));
  expect(known).toMatch(new RegExp(`✓ PostgreSQL \\d+\\.\\d+, ${place}`));
  // The certificate is not that of this name.
  const byName = url.replace('127.0.0.1', 'localhost');
  expect(await doctor({ DATABASE_URL: `${byName}?sslmode=verify-full`, ...trusting })).toContain('altnames');
});
