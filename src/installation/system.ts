import type { Logger } from 'pino';
import { type Catalog, openCatalog } from '../catalog/catalog.ts';
import type { Config } from '../config/config.ts';
import { createEncryption, deriveKey, type Encryption } from '../lib/encryption.ts';
import { HistoryRecordSchema } from '../migrator/files/history-entity.ts';
import { createEntityDatabases, entityTypes } from '../orm/databases.ts';
import { derivePasswords, type PasswordOf } from '../postgres/admin/roles.ts';
import { Listener } from '../postgres/listener.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { type InstallationRoles, installationRoles } from '../routing/placement.ts';
import { checkSystemDatabases } from '../servers/check-system-databases.ts';
import { setUpSystemDatabases } from '../servers/system-databases.ts';
import type { Meters } from '../telemetry/meters.ts';
import { type FirstServer, roleSecretOf, settleAdmin } from './first-server.ts';
import { constantsEntities, createMigrationLines } from './migration-lines.ts';
import type { ModuleServices } from './module-services.ts';
import type { Product } from './product.ts';
import type { Services } from './services.ts';

/** The first server, its databases `auth` and `constants`, and what is derived from the settings. Everything else needs it. */
export interface System extends Pick<Services, 'constants' | 'migrations' | 'tables'> {
  readonly config: Config;
  readonly log: Logger;
  readonly meters: Meters;
  readonly server: PostgresServer;
  readonly roles: InstallationRoles;
  readonly passwordOf: PasswordOf;
  /** Encrypts with a key that is derived from ROLE_SECRET for one purpose. */
  readonly encryptionFor: (purpose: string) => Encryption;
  readonly catalog: Catalog;
  readonly moduleServices: ModuleServices;
  readonly listener: Listener;
}

/** How long `auth` and `constants`, which have a light load, may leave a statement unanswered, in milliseconds. */
const SYSTEM_SILENCE_MS = 30_000;

/**
 * Creates and migrates the system databases, or checks them if this process only serves, and connects to them.
 * @param stack receives what must be closed
 * @throws {ConfigError} if the roles in the settings lack privileges
 */
export async function openSystem(
  config: Config,
  product: Product,
  { log, meters }: Pick<System, 'log' | 'meters'>,
  { server, logFailures }: FirstServer,
  stack: AsyncDisposableStack,
): Promise<System> {
  const { databases } = config;
  const roleSecret = await roleSecretOf(config);
  const passwordOf = derivePasswords(roleSecret);
  const roles = installationRoles(databases.auth);
  const { auth, constants, common, tenant } = createMigrationLines(config.migrations, product);
  await settleAdmin(server, config);
  if (server.canAdminister) {
    const { lockTimeoutMs } = config.migrations;
    const migrations = { authMigrations: auth.folder, constantsMigrations: constants.folder };
    await setUpSystemDatabases({ server, databases, roles, passwordOf, ...migrations, lockTimeoutMs, log });
  }
  // Until now, a server that does not answer ends the start with an error that says so.
  logFailures();
  const poolFor = (database: string, max = config.connections.systemPoolSize) =>
    server.pool({
      database,
      role: { name: roles.app, password: passwordOf(roles.app) },
      max,
      priority: 'system',
      silenceMs: SYSTEM_SILENCE_MS,
      types: entityTypes,
    });
  const authPool = poolFor(databases.auth);
  const constantsPool = poolFor(databases.constants);
  if (!server.canAdminister) {
    await checkSystemDatabases([
      { name: databases.auth, pool: authPool, migrations: auth.folder },
      { name: databases.constants, pool: constantsPool, migrations: constants.folder },
    ]);
  }
  const constantsDatabase = createEntityDatabases([...constantsEntities, HistoryRecordSchema]).open(constantsPool);
  const listener = stack.use(new Listener(poolFor(databases.auth, 1), log));
  await listener.start();
  return {
    config,
    log,
    meters,
    server,
    roles,
    passwordOf,
    encryptionFor: (purpose) => createEncryption(roleSecret, purpose),
    catalog: openCatalog(authPool, [HistoryRecordSchema]),
    moduleServices: { files: config.files, log, deriveKey: (purpose) => deriveKey(roleSecret, `modules ${purpose}`) },
    constants: { ...constantsDatabase, pool: constantsPool },
    listener,
    migrations: { auth: auth.folder, constants: constants.folder, common: common.folder, tenant: tenant.folder },
    tables: { AUTH: auth.tables, CONSTANTS: constants.tables, COMMON: common.tables, TENANT: tenant.tables },
  };
}
