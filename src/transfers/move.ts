import { closePlace } from '../servers/place-locks.ts';
import type { TenantPlacement } from '../servers/provisioner.ts';
import { dropOldPlaces } from '../tenants/old-places.ts';
import type { ActiveTransfer } from './active-transfer.ts';
import { copyToTarget, withRoomFor } from './copy-to-target.ts';
import { hold } from './hold.ts';
import { moveOnline } from './move-online.ts';
import { findSource, withOpenSource } from './source.ts';
import { switchPlace } from './switch-place.ts';

/** Moves a tenant to another place, or brings it back to a checkpoint there. It is served meanwhile if it moves online. */
export async function move(active: ActiveTransfer): Promise<void> {
  const { from, online } = active.transfer;
  if (!from) throw new Error('A move has a place to move from');
  // A tenant that is not served meanwhile must not wait for the connections of other copies.
  await withRoomFor(active, from, (parallel) => (online ? moveOnline : moveOffline)(active, from, parallel));
}

async function moveOffline(active: ActiveTransfer, from: TenantPlacement, parallel: number): Promise<void> {
  const { options } = active;
  await hold(active);
  await active.begin();
  const source = await findSource(active);
  const copy = await withOpenSource(active, source, () => copyToTarget(active, source, parallel));
  // From here on nobody can write to the old place, not even a process that does not know of the move.
  await closePlace(await options.servers.find(from.server), from);
  await switchPlace(active, copy);
  if (active.transfer.keepHours === 0) await dropOldPlaces(options);
}
