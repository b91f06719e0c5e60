import { randomUUID } from 'node:crypto';
import type { EntityManager, RequiredEntityData } from '@mikro-orm/postgresql';
import { commonStateValues, storeCommonStateSql } from '../catalog/common-states.ts';
import { Membership } from '../catalog/entities/membership.entity.ts';
import { type Isolation, Tenant } from '../catalog/entities/tenant.entity.ts';
import { migrationStateRow, saveMigrationStateSql } from '../catalog/migration-states.ts';
import { takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { AppError } from '../lib/errors.ts';
import { MigrationFailedError } from '../migrator/apply/batch.ts';
import { isConnectionFailure } from '../postgres/sql/error-codes.ts';
import { newPlacement, newTenantKey } from '../routing/placement.ts';
import { chooseServer } from '../servers/choose.ts';
import { explainTaken } from './bin.ts';
import { validHost, validName, validSlug } from './names.ts';
import type { ProvisioningOptions } from './options.ts';
import { discard } from './remove.ts';

/** The properties of a new tenant. */
export interface CreateTenantInput {
  /** 3 to 63 characters of [a-z0-9-], unique. */
  readonly slug: string;
  /** The display name, 1 to 200 characters. */
  readonly name: string;
  readonly isolation?: Isolation | undefined;
  /** The host name whose requests belong to the tenant; unique. */
  readonly host?: string | undefined;
  /** The server to use; by default the one with the fewest tenants among those that accept tenants and answer. */
  readonly server?: string | undefined;
  /** The first owner, and the limit of tenants that this user may have created or own. */
  readonly owner?: { readonly id: string; readonly limit: number } | undefined;
}

/**
 * Creates a tenant. Its row is inserted first, so that recovery can finish or remove the tenant after a crash or a failure of
 * PostgreSQL. Any other failure leaves nothing behind.
 * @throws {AppError} SLUG_TAKEN, HOST_TAKEN, BAD_USER_INPUT, FORBIDDEN if the owner has reached the limit, CONFLICT if a
 *   migration failed, or as {@link chooseServer}
 */
export async function createTenant(options: ProvisioningOptions, input: CreateTenantInput): Promise<Tenant> {
  const id = randomUUID();
  using _working = options.inProgress.begin(id);
  const tenant = await insertRow(options, id, input);
  try {
    return await finish(options, tenant);
  } catch (error) {
    await discard(options, tenant).catch((err: unknown) => {
      options.log.error({ err, tenant: id }, 'could not remove a tenant whose creation failed; will try again later');
    });
    throw failedMigration(error, tenant) ?? error;
  }
}

/**
 * Creates the tenant's database or schema and activates the tenant. Idempotent.
 * @throws {AppError} CONFLICT if the tenant was removed meanwhile
 */
export async function finish({ catalog, servers }: ProvisioningOptions, tenant: Tenant): Promise<Tenant> {
  const { provisioner } = await servers.find(tenant.server);
  const { applied, common } = await provisioner.make(tenant);
  const { server, database } = tenant;
  const values = [...migrationStateRow(applied), tenant.id];
  const commonSql = common ? `, ${storeCommonStateSql(values.length + 1)}` : '';
  // A trigger reads the state, so it has to be saved before the row is updated. PostgreSQL runs a WITH last if the statement does
  // not read it.
  const where = 't.id = $4 AND (SELECT count(*) FROM state) >= 0';
  const { rows } = await catalog.use((client) =>
    client.query(
      `WITH state AS (${saveMigrationStateSql} RETURNING id)${commonSql}
       ${takeStepSql(tenantSteps.finish, { where, set: 'claimed_by = NULL, migration_state = $1' })} RETURNING *`,
      common ? [...values, ...commonStateValues({ server, database, ...common })] : values,
    ),
  );
  // If an earlier call has finished it, the update matched no row.
  const em = catalog.fork();
  const finished = rows[0] ? em.map(Tenant, rows[0]) : await em.findOne(Tenant, { id: tenant.id });
  if (finished?.status === 'ACTIVE') return finished;
  throw new AppError('CONFLICT', `The tenant ${tenant.slug} was removed while it was being created. Create it again.`);
}

async function insertRow(options: ProvisioningOptions, id: string, input: CreateTenantInput): Promise<Tenant> {
  const { catalog, listener, defaultIsolation, sharedDatabase } = options;
  const key = newTenantKey();
  const isolation = input.isolation ?? defaultIsolation;
  const names = validNames(input);
  const server = await chooseServer(options, input.server);
  options.servers.get(server)?.requireAdmin();
  const row = {
    id,
    ...names,
    status: tenantSteps.create.to[0],
    isolation,
    key,
    ...newPlacement(key, isolation, server, sharedDatabase),
    claimedBy: listener.instance,
  };
  try {
    const { owner } = input;
    if (owner) return await catalog.fork().transactional((em) => createOwned(em, row, owner));
    const em = catalog.fork();
    const tenant = em.create(Tenant, row);
    // flush() would wrap this single statement in a transaction.
    await em.insert(tenant);
    return tenant;
  } catch (error) {
    throw (await explainTaken(catalog, error, row, input.owner === undefined)) ?? error;
  }
}

/**
 * Validates the names of a new tenant and returns them as they are stored.
 * @throws {AppError} BAD_USER_INPUT
 */
export function validNames(input: CreateTenantInput) {
  return {
    slug: validSlug(input.slug),
    name: validName(input.name),
    host: input.host === undefined ? null : validHost(input.host),
  };
}

/** Locks the user, so that concurrent requests cannot exceed the limit. */
async function createOwned(
  em: EntityManager,
  row: RequiredEntityData<Tenant>,
  { id, limit }: NonNullable<CreateTenantInput['owner']>,
): Promise<Tenant> {
  await em.execute('SELECT FROM users WHERE id = ? FOR NO KEY UPDATE', [id]);
  // Tenants that their creator has given away count too. Otherwise two accounts could create any number of tenants.
  const [{ count }] = await em.execute<[{ count: number }]>(
    `SELECT count(*)::integer FROM (
       SELECT id FROM tenants WHERE created_by = ?
       UNION SELECT tenant_id FROM memberships WHERE user_id = ? AND role = 'OWNER') AS counted`,
    [id, id],
  );
  if (count >= limit) {
    throw new AppError(
      'FORBIDDEN',
      `You have created or own ${count} tenants, and the limit is ${limit}. Tenants that you gave away or deleted count until they are removed for good. Delete one with deleteTenant, and wait until its time in the bin is over, or ask a platform admin.`,
    );
  }
  const tenant = em.create(Tenant, { ...row, createdBy: id });
  em.create(Membership, { user: id, tenant, role: 'OWNER' });
  return tenant;
}

function failedMigration(error: unknown, { slug }: Tenant): AppError | undefined {
  if (!(error instanceof MigrationFailedError) || isConnectionFailure(error)) return undefined;
  const message = `The tenant ${slug} was not created: ${error.message}. Fix the migration, then create the tenant again.`;
  return new AppError('CONFLICT', message, { cause: error, details: { migration: error.migration.name } });
}
