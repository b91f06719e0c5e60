import { z } from 'zod';
import { integer, type Setting } from './setting-types.ts';

/** Only a text here: `server-address.ts` parses it, and names everything that is wrong with it. */
const serverUrl = z.string();

/** Where PostgreSQL is, and who connects to it. */
export const addressSettings = {
  DATABASE_URL: {
    schema: serverUrl,
    absent: 'an embedded PostgreSQL in DATA_DIR',
    meaning:
      'URL of the PostgreSQL server, with a role that may create databases and roles; with a role that may only connect, this process only serves requests. It may name several hosts, such as one:5432,two:5432, of which the primary is used',
  },
  ADMIN_DATABASE_URL: {
    schema: serverUrl,
    absent: 'the same as DATABASE_URL',
    meaning:
      'URL of the same server, with the role that creates, migrates and deletes; for workers and commands, if the role in DATABASE_URL may only serve requests',
  },
  DATABASE_POOLER_URL: {
    schema: serverUrl,
    absent: "tenants' requests connect directly",
    meaning:
      "URL of a connection pooler of the same server, such as PgBouncer, for tenants' requests; only its host, port and sslmode matter",
  },
  DB_HOST: {
    schema: z.string(),
    absent: 'see DATABASE_URL',
    meaning: 'host of the PostgreSQL server; used with the next three settings if DATABASE_URL is not set',
  },
  DB_PORT: { schema: integer(1, 65535), absent: '5432 when DB_HOST is set', meaning: 'port of the PostgreSQL server' },
  DB_USERNAME: { schema: z.string(), absent: 'see DB_HOST', meaning: 'role on the PostgreSQL server' },
  DB_PASSWORD: { schema: z.string(), absent: 'see DB_HOST', meaning: 'password of that role' },
  ADMIN_CONN_STR: {
    schema: serverUrl,
    absent: 'see DATABASE_URL',
    meaning: 'former name of DATABASE_URL',
  },
} as const satisfies Record<string, Setting>;
