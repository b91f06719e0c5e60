import type { GraphQLField, GraphQLSchema } from 'graphql';

/** For whom a field declares that it is: its `authScopes`, where those are no function. */
export interface DeclaredScopes {
  readonly tenantMember?: boolean;
  readonly permission?: string;
}

/** The scopes that a field was declared with. */
export function declaredScopes({ extensions }: Pick<GraphQLField<unknown, unknown>, 'extensions'>): DeclaredScopes {
  // What Pothos keeps of the options that t.field() was given.
  const options = extensions.pothosOptions as { readonly authScopes?: DeclaredScopes } | undefined;
  return options?.authScopes ?? {};
}

/** Says in the description of each mutation which permission it needs. */
export function describePermissions(schema: GraphQLSchema): void {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const { permission } = declaredScopes(field);
    if (permission === undefined) continue;
    field.description = [field.description, `Needs the permission ${permission}.`].filter(Boolean).join(' ');
  }
}
