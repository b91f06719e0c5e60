import type { Command } from 'commander';
import type { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import type { Services } from '../../../installation/services.ts';
import { withServices } from '../../open-app.ts';
import type { CommandContext } from '../../ui/terminal.ts';

/** Where a tenant was, for the command line. The fields are those of `--json`. */
interface OldPlaceView {
  readonly server: string;
  readonly database: string;
  readonly schema: string;
  readonly isolation: string;
  readonly dropAfter: string;
  /** Why it could not be dropped, if its time is over. */
  readonly error: string | null;
}

/** `tenantry tenant drop-old`. */
export function addDropOldCommand(tenant: Command, context: CommandContext): void {
  tenant
    .command('drop-old')
    .description('Drop the old places of a tenant that has moved, before their time; tenant show lists them')
    .argument('<slug>', 'its slug or id')
    .action((slug: string) => dropOld(context, slug));
}

async function dropOld(context: CommandContext, reference: string): Promise<void> {
  const { dropOldPlacesNow } = await import('../../../tenants/old-places.ts');
  const { tenant, dropped } = await withServices(context, ({ provisioning }) =>
    dropOldPlacesNow(provisioning, reference),
  );
  const what = dropped === 1 ? 'One old place was dropped' : `${dropped || 'No'} old places were dropped`;
  context.stdout.write(`${what}. The tenant ${tenant.slug} is served from the server ${tenant.server}.\n`);
}

/** Returns the old places of a tenant as the command line shows them. */
export async function viewOldPlaces({ catalog }: Services, { id }: Tenant): Promise<readonly OldPlaceView[]> {
  const { listOldPlaces } = await import('../../../tenants/old-places.ts');
  const places = (await listOldPlaces(catalog, [id])).get(id) ?? [];
  return places.map(({ server, database, schema, isolation, dropAfter, error }) => ({
    server,
    database,
    schema,
    isolation,
    dropAfter,
    error,
  }));
}

/** Describes an old place in a line. */
export function describeOldPlace({ server, database, schema, isolation, dropAfter, error }: OldPlaceView): string {
  const place = isolation === 'DATABASE' ? `database ${database}` : `schema ${schema}`;
  return `${place} on the server ${server}, dropped after ${dropAfter}${error === null ? '' : ` (not yet: ${error})`}`;
}
