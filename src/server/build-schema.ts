import type { GraphQLSchema } from 'graphql';
import '../api/types/audit-log.ts';
import '../api/types/invitation.ts';
import '../api/types/member.ts';
import '../api/types/account.ts';
import '../api/types/session.ts';
import '../api/types/user.ts';
import '../api/types/constants.ts';
import '../api/types/fleet/busiest.ts';
import '../api/types/health.ts';
import '../api/types/accept-migration.ts';
import '../api/types/tenant-attention.ts';
import '../api/types/tenant-drift.ts';
import '../api/types/fleet/tenant-usage.ts';
import '../api/types/checkpoint.ts';
import '../api/types/run-control.ts';
import '../api/types/migration-history.ts';
import '../api/types/migration-plan.ts';
import '../api/types/run.ts';
import '../api/types/tenant-migrations.ts';
import '../api/types/platform.ts';
import '../api/types/fleet/run-changes.ts';
import '../api/types/fleet/cells.ts';
import '../api/types/fleet/status.ts';
import '../api/types/fleet/run-failures.ts';
import '../api/types/fleet/run-waves.ts';
import '../api/types/tenant-mutations.ts';
import '../api/types/checks/doctor.ts';
import '../api/types/checks/drift-check.ts';
import '../api/types/webhooks/webhook.ts';
import '../api/types/webhooks/webhook-mutations.ts';
import { auditMutations } from '../api/audit-mutations.ts';
import { builder } from '../api/builder.ts';
import { describePermissions } from '../api/declared-scopes.ts';
import { useEntities } from '../api/entities/metadata.ts';
import { limitInputs } from '../api/limits/input-limits.ts';
import type { Product } from '../installation/product.ts';
import { errorCodes } from '../lib/errors.ts';

/** Builds the GraphQL schema from the platform's own fields and those of the product's modules. */
export async function buildSchema({ modules }: Product): Promise<GraphQLSchema> {
  await Promise.all(modules.map((module) => module.schema()));
  useEntities(modules.flatMap(({ entities }) => entities));
  const schema = limitInputs(auditMutations(builder.toSchema()));
  describePermissions(schema);
  const codes = Object.entries(errorCodes).map(([code, meaning]) => `- ${code}: ${meaning}`);
  schema.description = `Errors have one of these codes in \`extensions.code\`:\n${codes.join('\n')}`;
  return schema;
}
