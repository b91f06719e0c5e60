import { Kind, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { product } from '../support/product.ts';
import { useServer } from '../support/use-server.ts';

describe('the examples that GraphiQL opens with', () => {
  const used = useServer({ DEFAULT_ISOLATION: 'schema' });

  it('can be carried out one after another by the owner of a new tenant', async () => {
    const create = 'mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }';
    expect(await used.app.ask(create, used.app.admin)).not.toHaveProperty('errors');
    const token = await used.app.services.tokens.issue({ tenant: 'acme', role: 'OWNER', expiresIn: '1h' });
    const documents = product.modules.flatMap(({ examples }) => examples ?? []);
    expect(documents.length).toBeGreaterThan(0);
    /** What the variables stand for: the id that `createStaffMember` returned is that of `$member`. */
    const variables: Record<string, string> = {};
    for (const query of documents) {
      for (const definition of parse(query).definitions) {
        if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
        const operationName = definition.name?.value;
        const answer = await used.server.post(
          { query, operationName, variables },
          { authorization: `Bearer ${token}` },
        );
        expect(answer.body, operationName).not.toHaveProperty('errors');
        for (const [field, created] of Object.entries(answer.body.data ?? {})) {
          const name = /^create\w*?([A-Z][a-z]+)$/.exec(field)?.[1];
          if (name) variables[name.toLowerCase()] = Object(created).id;
        }
      }
    }
  });
});
