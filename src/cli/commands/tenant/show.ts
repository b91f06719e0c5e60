import { countText, durationText, estimateText, sizeText } from '../../../lib/quantities.ts';
import { withServices } from '../../open-app.ts';
import { type CommandContext, oneLine, writeJson } from '../../ui/terminal.ts';
import { summaryOf, transferLine } from '../../ui/transfer-summary.ts';
import { describeOldPlace, viewOldPlaces } from './drop-old.ts';
import { viewTenants, viewUsage } from './view.ts';

/** `tenantry tenant show`. */
export async function showTenant(
  context: CommandContext,
  reference: string,
  { json }: { readonly json?: true },
): Promise<void> {
  const { tenantByReference } = await import('../../../catalog/find-tenants.ts');
  const { listTransfers } = await import('../../../transfers/list.ts');
  const { readNodesOf } = await import('../../../servers/citus/tenant-nodes.ts');
  await withServices(context, async (services) => {
    const tenant = await tenantByReference(services.catalog, reference);
    const [basic] = await viewTenants(services, [tenant]);
    const usage = await viewUsage(services, tenant);
    const [node = null] = await readNodesOf(services.servers, [tenant]);
    const transfers = await listTransfers(services.catalog, tenant.id, 0);
    const oldPlaces = await viewOldPlaces(services, tenant);
    if (json) {
      return writeJson(context.stdout, {
        ...basic,
        node,
        ...usage,
        oldPlaces,
        transfers: transfers.map(({ transfer, isUnclaimed }) => ({
          ...summaryOf(transfer),
          waitsForProcess: isUnclaimed,
        })),
      });
    }
    const lines: [name: string, text: string | null][] = [
      ...Object.entries({ ...basic, ...(node !== null && { node }), ...forPeople(usage) }).map(
        ([name, value]): [string, string | null] => [name, value === null ? null : String(value)],
      ),
      ...transfers.map((each): [string, string] => ['transfer', transferLine(each)]),
      ...oldPlaces.map((place): [string, string] => ['oldPlace', describeOldPlace(place)]),
    ];
    for (const [name, text] of lines) {
      context.stdout.write(`${`${name}:`.padEnd(14)} ${text === null ? '—' : oneLine(text)}\n`);
    }
  });
}

/** Up to which age nobody wants to know it, in milliseconds. */
const JUST_NOW_MS = 10_000;

function agoText(ms: number): string {
  return ms < JUST_NOW_MS ? 'just now' : `${durationText(ms)} ago`;
}

function forPeople({ databaseBytes, rows, files, lastRequestAt, measuredAt }: Awaited<ReturnType<typeof viewUsage>>) {
  return {
    size: databaseBytes === null ? null : sizeText(databaseBytes),
    rows: rows === null ? null : estimateText(rows),
    files: files === null ? null : countText(files),
    measured: measuredAt === null ? null : agoText(Date.now() - Date.parse(measuredAt)),
    lastRequestAt,
  };
}
