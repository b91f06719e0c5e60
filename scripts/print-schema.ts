import { printSchema } from 'graphql';
import { buildSchema } from '../src/graphql/schema.ts';

process.stdout.write(`${printSchema(buildSchema())}\n`);
