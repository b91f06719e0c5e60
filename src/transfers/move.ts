import { AppError } from '../lib/errors.ts';
import { closePlace } from '../servers/place-locks.ts';
import { dropOldPlaces } from '../tenants/old-places.ts';
import type { ActiveTransfer } from './active-transfer.ts';
import { copyPlaceOf } from './copy-place-of.ts';
import { copyToTarget } from './copy-to-target.ts';
import { hold } from './hold.ts';
import { findSource, withOpenSource } from './source.ts';
import { switchTenant } from './switch-tenant.ts';

/** Moves a tenant to another place while it is not served, or brings it back to a checkpoint there. */
export async function moveOffline(active: ActiveTransfer): Promise<void> {
  const { options } = active;
  const { from, online } = active.transfer;
  if (!from) throw new Error('A move has a place to move from');
  if (online) throw new AppError('CONFLICT', 'This process cannot move tenants while they are served');
  await hold(active);
  await active.begin();
  const source = await findSource(active);
  const place = copyPlaceOf(options.servers, source);
  const copy = await withOpenSource(active, source, () => copyToTarget(active, place));
  // From here on nobody can write to the old place, not even a process that does not know of the move.
  await closePlace(await options.servers.find(from.server), from);
  await switchTenant(active, copy);
  if (active.transfer.keepHours === 0) await dropOldPlaces(options);
}
