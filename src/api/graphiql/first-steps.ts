/** The slug of the tenant that the examples create and that the member's token is for. */
export const EXAMPLE_TENANT = 'acme';

/** Examples for platform admins. Lines are short because the editor may take up only half of a small window. */
export const firstSteps = `# Press play and choose an operation, from
# top to bottom. They use the token in Headers.

# 1. Create a tenant with its own database or,
#    with SCHEMA, its own schema.
mutation CreateTenant {
  createTenant(input: {
    slug: "${EXAMPLE_TENANT}"
    name: "Acme"
    isolation: DATABASE
  }) {
    id
    placement { server database schema }
    version
  }
}

# 2. List the tenants.
query Fleet {
  tenants {
    nodes { slug isolation status version behind }
  }
}

# 3. Check every tenant and apply the
#    migrations that it is missing.
mutation Migrate {
  runMigrations(input: { verify: true }) {
    id
    status
    total
  }
}

# 4. Follow that run. Put its id into Variables:
#    { "run": "the id that Migrate returned" }
subscription Progress($run: ID!) {
  migrationProgress(run: $run) {
    seq
    kind
    tenant { slug }
    migration
    message
    done
    total
  }
}

# To query a tenant's own data as an admin, add
#   "x-tenant": "${EXAMPLE_TENANT}"
# to Headers and use the fields of its modules.
`;

/** The beginning of the examples of a module. */
export const asOwner = `# As the owner of the tenant ${EXAMPLE_TENANT}, which
# CreateTenant in the first tab creates. Headers
# has a token of this owner.

`;
