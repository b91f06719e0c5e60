import { type Isolation, Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import { chooseServer } from '../servers/choose.ts';
import { ofDeleted } from './bin.ts';
import { type CreateTenantInput, validNames } from './create.ts';
import { hostTaken, slugTaken } from './names.ts';
import type { ProvisioningOptions } from './options.ts';

/** What creating a tenant would create. */
export interface CheckedTenant {
  readonly slug: string;
  readonly name: string;
  readonly host: string | null;
  readonly isolation: Isolation;
  readonly server: string;
}

/**
 * Returns what `createTenant` would create now of each input, or the error that it would throw, except for failures of the creation
 * itself. It changes nothing. However many inputs there are, the catalog is asked once, and each server once.
 */
export async function checkTenants(
  options: ProvisioningOptions,
  inputs: readonly CreateTenantInput[],
): Promise<readonly (CheckedTenant | AppError)[]> {
  const servers = new Map<string | undefined, string | AppError>();
  for (const wanted of new Set(inputs.map(({ server }) => server))) {
    servers.set(wanted, await chooseServer(options, wanted).catch(onlyRefusals));
  }
  const checked = inputs.map((input) => checkInput(input, servers.get(input.server), options.defaultIsolation));
  const valid = checked.flatMap((each) => (each instanceof AppError ? [] : [each]));
  const taken = await options.catalog.fork().find(
    Tenant,
    {
      $or: [
        { slug: { $in: valid.map(({ slug }) => slug) } },
        { host: { $in: valid.flatMap(({ host }) => host ?? []) } },
      ],
    },
    { fields: ['slug', 'host', 'status', 'purgeAt'] },
  );
  const bySlug = new Map(taken.map((tenant) => [tenant.slug, tenant]));
  const byHost = new Map(taken.map((tenant) => [tenant.host, tenant]));
  return checked.map((each) => {
    if (each instanceof AppError) return each;
    const withSlug = bySlug.get(each.slug);
    if (withSlug) return ofDeleted(slugTaken(each.slug), `slug ${each.slug}`, withSlug);
    const withHost = each.host === null ? undefined : byHost.get(each.host);
    return withHost ? ofDeleted(hostTaken(each.host), `host ${each.host}`, withHost) : each;
  });
}

/** Checks what needs no catalog. */
function checkInput(
  input: CreateTenantInput,
  server: string | AppError | undefined,
  defaultIsolation: Isolation,
): CheckedTenant | AppError {
  try {
    const names = validNames(input);
    if (typeof server !== 'string') throw server;
    return { ...names, isolation: input.isolation ?? defaultIsolation, server };
  } catch (error) {
    return onlyRefusals(error);
  }
}

function onlyRefusals(error: unknown): AppError {
  if (error instanceof AppError) return error;
  throw error;
}
