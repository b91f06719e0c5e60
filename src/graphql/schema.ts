import type { GraphQLSchema } from 'graphql';
import { builder } from './builder.ts';
import './platform-types.ts';
import './platform-fields.ts';
import '../modules/index.ts';

/** Builds the GraphQL schema out of the platform's fields and the modules'. */
export function buildSchema(): GraphQLSchema {
  return builder.toSchema();
}
