import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseEnv } from 'node:util';
import { pino } from 'pino';
import { createApp } from './app.ts';
import { ConfigError, loadConfig } from './config.ts';
import { messageOf } from './errors.ts';
import { buildSchema } from './graphql/schema.ts';
import { createGraphqlServer } from './graphql/server.ts';

try {
  await serve();
} catch (error) {
  process.stderr.write(
    `${error instanceof ConfigError ? error.message : `Tenantry cannot start: ${messageOf(error)}`}\n`,
  );
  process.exitCode = 1;
}

/** Serves until a signal comes, then drains: no new requests, those under way end within the limit. */
async function serve(): Promise<void> {
  const file = existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {};
  const config = loadConfig({ ...file, ...process.env });
  const pretty = config.environment === 'development' && { transport: { target: 'pino-pretty' } };
  const log = pino({ level: config.logLevel, ...pretty });
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await using app = await createApp(config, log);
  const token =
    config.environment === 'development'
      ? await app.services.tokens.issue({ platformAdmin: true, expiresIn: '12h' }).catch(() => undefined)
      : undefined;
  const yoga = createGraphqlServer(app.services, buildSchema(), {
    ...(token && { defaultHeaders: JSON.stringify({ authorization: `Bearer ${token}` }) }),
  });
  const server = createServer(yoga);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(config.http.port, config.http.host, resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : config.http.port;
  process.stdout.write(greeting(`http://${config.http.host}:${port}/graphql`, config.graphql.graphiql, token));
  await stopped;
  log.info('stopping');
  app.beginStop();
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const limit = setTimeout(() => server.closeAllConnections(), config.http.shutdownSeconds * 1000);
  await closed;
  clearTimeout(limit);
}

function greeting(url: string, graphiql: boolean, token: string | undefined): string {
  if (!graphiql) return `Tenantry listens at ${url}\n`;
  const admin = token ? `\nAn admin's token for development (it is in GraphiQL's headers already):\n${token}\n` : '';
  return `\nTenantry is up. GraphiQL: ${url}\n${admin}\nTry the mutation CreateTenant that GraphiQL shows.\n\n`;
}
