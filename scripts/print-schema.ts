import { printSchema } from 'graphql';
import { product } from '../src/modules/index.ts';
import { buildSchema } from '../src/server/build-schema.ts';

process.stdout.write(`${printSchema(await buildSchema(product))}\n`);
