import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { accountFor } from '../../src/postgres/embedded/binaries.ts';

/** The files of a server's certificate, which a CA of its own has signed. */
export interface Certificates extends AsyncDisposable {
  /** The certificate of the CA. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** Makes a private CA, and a certificate for 127.0.0.1 whose key PostgreSQL's user can read. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-certificates-'));
  const file = (name: string) => path.join(folder, name);
  const files = { ca: file('ca.pem'), certificate: file('server.pem'), key: file('server.key') };
  const caKey = file('ca.key');
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  const make = (...how: string[]) => execFileSync('openssl', [...request, ...how], { stdio: 'ignore' });
  make('-subj', '/CN=private CA', '-keyout', caKey, '-out', files.ca);
  const server = ['-subj', '/CN=server', '-addext', 'subjectAltName=IP:127.0.0.1', '-CA', files.ca, '-CAkey', caKey];
  make(...server, '-keyout', files.key, '-out', files.certificate);
  await chmod(folder, 0o755);
  // PostgreSQL refuses a key that others can read.
  const account = await accountFor(undefined, () => undefined);
  if (account) await chown(files.key, account.uid, account.gid);
  return { ...files, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
