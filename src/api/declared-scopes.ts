import type { GraphQLField, GraphQLSchema } from 'graphql';

/** The scopes that a field declares in `authScopes`, if they are not a function. */
export interface DeclaredScopes {
  readonly tenantMember?: boolean;
  readonly permission?: string;
}

/** Returns the scopes that a field was declared with. */
export function declaredScopes({ extensions }: Pick<GraphQLField<unknown, unknown>, 'extensions'>): DeclaredScopes {
  // Pothos stores the options passed to t.field() here.
  const options = extensions.pothosOptions as { readonly authScopes?: DeclaredScopes } | undefined;
  return options?.authScopes ?? {};
}

/** Adds the required permission to the description of each mutation. */
export function describePermissions(schema: GraphQLSchema): void {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const { permission } = declaredScopes(field);
    if (permission === undefined) continue;
    field.description = [field.description, `Requires the permission ${permission}.`].filter(Boolean).join(' ');
  }
}
