import type { GraphQLSchema } from 'graphql';
import '../accounts/audit-schema.ts';
import '../accounts/invitation-schema.ts';
import '../accounts/member-schema.ts';
import '../accounts/schema.ts';
import '../accounts/session-schema.ts';
import '../accounts/user-schema.ts';
import '../constants/schema.ts';
import '../health/schema.ts';
import '../migrator/accept-schema.ts';
import '../migrator/attention-schema.ts';
import '../migrator/drift-schema.ts';
import '../migrator/checkpoint-schema.ts';
import '../migrator/control-schema.ts';
import '../migrator/history-schema.ts';
import '../migrator/plan-schema.ts';
import '../migrator/run-schema.ts';
import '../migrator/tenant-schema.ts';
import '../provisioning/schema.ts';
import '../provisioning/tenant-schema.ts';
import { errorCodes } from '../errors.ts';
import type { Product } from '../product.ts';
import { auditMutations } from './audit.ts';
import { builder } from './builder.ts';
import { describePermissions } from './declared-scopes.ts';
import { limitInputs } from './input-limits.ts';

/** Builds the GraphQL schema from the platform's own fields and those that the product's modules add. */
export async function buildSchema({ modules }: Product): Promise<GraphQLSchema> {
  await Promise.all(modules.map((module) => module.schema()));
  const schema = limitInputs(auditMutations(builder.toSchema()));
  describePermissions(schema);
  const codes = Object.entries(errorCodes).map(([code, meaning]) => `- ${code}: ${meaning}`);
  schema.description = `An error says in \`extensions.code\` what it is:\n${codes.join('\n')}`;
  return schema;
}
