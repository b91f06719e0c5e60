// A copy of the server's schema.graphql, so that types can be generated without a running server.
export default {
  schema: 'schema.graphql',
  documents: ['src/**/*.ts', 'src/**/*.tsx'],
  generates: {
    'src/gql/': {
      preset: 'client',
      presetConfig: { persistedDocuments: true },
      config: { scalars: { DateTime: 'string' }, useTypeImports: true },
    },
  },
};
