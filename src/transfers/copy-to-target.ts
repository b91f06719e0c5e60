import type { ObservedState } from '../catalog/migration-states.ts';
import { observedAtSql } from '../catalog/migration-states.ts';
import { copyPlace } from '../copying/copy-place.ts';
import type { CopyPlace } from '../copying/place.ts';
import { placeOn, withRoomToCopy } from '../copying/place-on.ts';
import { readApplied } from '../migrator/apply/apply.ts';
import { serverNamed } from '../postgres/server.ts';
import type { Placement } from '../routing/placement.ts';
import type { MadePlace } from '../servers/provisioner.ts';
import type { ActiveTransfer } from './active-transfer.ts';

/** A finished copy at the new place. */
export interface FinishedCopy extends MadePlace {
  /** By the clock of the target's server. */
  readonly observedAt: string;
}

/**
 * Makes the tables at the new place and copies the source's rows there.
 * @param parallel the number of tables that are copied at the same time; see {@link withRoomFor}
 * @throws {AppError} CONFLICT if the tables differ; what PostgreSQL reports otherwise
 */
export async function copyToTarget(active: ActiveTransfer, from: Placement, parallel: number): Promise<FinishedCopy> {
  const { options, signal } = active;
  const source = placeOn(serverNamed(options.servers, from.server), from);
  const { applied } = await readSource(active, source);
  signal.throwIfAborted();
  const made = await makeTarget(active, applied);
  const target = targetOf(active);
  const progress = await copyPlace({
    from: source,
    to: target,
    parallel,
    onProgress: (now) => active.progress(now),
    signal,
  });
  await active.copied(progress);
  signal.throwIfAborted();
  return { ...made, observedAt: await readClock(target) };
}

/** Runs a copy as soon as both servers have enough connections for it; see {@link withRoomToCopy}. */
export function withRoomFor<T>(
  { options: { servers }, transfer: { to }, signal }: ActiveTransfer,
  from: Pick<Placement, 'server'>,
  copy: (parallel: number) => Promise<T>,
): Promise<T> {
  return withRoomToCopy([serverNamed(servers, from.server), serverNamed(servers, to.server)], copy, signal);
}

/** Returns access to the new place. */
export function targetOf({ options: { servers }, transfer: { to } }: ActiveTransfer): CopyPlace {
  return placeOn(serverNamed(servers, to.server), to);
}

/** Reads the source's migrations under the lock that keeps migrations out. */
export async function readSource({ options, signal }: ActiveTransfer, source: CopyPlace): Promise<ObservedState> {
  const files = await options.migrations.tenant.read();
  return source.use(
    (client) =>
      readApplied(client, { scope: 'TENANT', schema: source.schema, files, lockTimeoutMs: options.lockTimeoutMs }),
    signal,
  );
}

/** Makes the tables at the new place, with the source's migrations. */
export async function makeTarget(active: ActiveTransfer, applied: ObservedState['applied']): Promise<MadePlace> {
  const { options, transfer } = active;
  const { to } = transfer;
  const { provisioner } = await options.servers.find(to.server);
  const made = await provisioner.makeLike(to, applied);
  await active.report(
    'TARGET_CREATED',
    `${applied.length} migrations in the database ${to.database}, schema ${to.schema}`,
  );
  return made;
}

/** Reads the clock of the target's server, for the state of its migrations. */
export async function readClock(target: CopyPlace): Promise<string> {
  const { rows } = await target.use((client) => client.query<{ now: string }>(`SELECT ${observedAtSql} AS now`));
  return rows[0]?.now ?? '-infinity';
}
