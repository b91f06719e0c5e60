import { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import { dropOldPlacesNow, listOldPlaces, MAX_OLD_PLACES, type OldPlace } from '../../../tenants/old-places.ts';
import { builder } from '../../builder.ts';
import { requestLoader } from '../../request-loader.ts';
import { IsolationRef, TenantRef } from '../tenant.ts';

const loadOldPlaces = requestLoader<readonly OldPlace[]>(async (ids, { services }) => {
  const byTenant = await listOldPlaces(services.catalog, ids);
  return ids.map((id) => byTenant.get(id) ?? []);
});

const OldPlaceRef = builder.objectRef<OldPlace>('OldPlace').implement({
  description: 'Where the tables of a tenant were before a move or a restore. Nobody can connect to it but its owner.',
  fields: (t) => ({
    server: t.exposeString('server'),
    database: t.exposeString('database'),
    schema: t.exposeString('schema'),
    isolation: t.field({ type: IsolationRef, resolve: ({ isolation }) => isolation }),
    dropAfter: t.field({
      type: 'DateTime',
      description: 'When it is dropped.',
      resolve: ({ dropAfter }) => new Date(dropAfter),
    }),
    error: t.string({
      nullable: true,
      description: 'Why it could not be dropped, if its time is over.',
      resolve: ({ error }) => error,
    }),
  }),
});

builder.objectField(Tenant, 'oldPlaces', (t) =>
  t.field({
    type: [OldPlaceRef],
    maxItems: MAX_OLD_PLACES,
    description: 'What is kept of where the tenant was, the next to be dropped first. For platform admins.',
    authScopes: { platformAdmin: true },
    resolve: ({ id }, _args, context) => loadOldPlaces(context, id),
  }),
);

builder.mutationField('dropOldPlaces', (t) =>
  t.field({
    type: TenantRef,
    description:
      'Drops what is kept of where a tenant was before it moved, before its time is over. What cannot be dropped now is tried again later.',
    authScopes: { platformAdmin: true },
    args: { tenant: t.arg.id({ required: true, description: 'Its id or slug.' }) },
    resolve: async (_root, { tenant }, { services }) => (await dropOldPlacesNow(services.provisioning, tenant)).tenant,
  }),
);
