import { printSchema } from 'graphql';
import { buildSchema } from '../src/graphql/schema.ts';
import { product } from '../src/modules/index.ts';

process.stdout.write(`${printSchema(await buildSchema(product))}\n`);
