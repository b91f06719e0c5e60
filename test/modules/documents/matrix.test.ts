import { testMatrix } from '../../support/access-matrix.ts';
import { table } from './operations.ts';

testMatrix(table);
