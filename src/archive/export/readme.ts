import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import type { ReadableFormat } from './readable-tables.ts';

const explanations = {
  csv: `Each file in the folder "tables" is a table as comma-separated values (CSV, RFC 4180)
in UTF-8. Its first line has the names of the columns. A value that is missing is
empty; an empty text is "". Spreadsheets and databases open these files. A spreadsheet
may take a value that begins with =, +, - or @ for a formula: import the columns as text.
True and false are t and f. Lists and rows within a value are as PostgreSQL writes them.`,
  json: `Each file in the folder "tables" is a table as JSON (RFC 8259) in UTF-8: a list with
an object for each row. A value that is missing is null, as is a null of JSON. Numbers that
may have many digits (the types numeric and bigint) are texts, so that no program rounds
them, as are numbers that JSON does not have, such as NaN, and times such as infinity.`,
} as const satisfies Record<ReadableFormat, string>;

/** The text that explains the content of a zip file to its readers. */
export function readmeOf({ name, slug }: Tenant, format: ReadableFormat, at: Date): string {
  return `The data of ${name} (${slug}), as it was on ${at.toISOString()}.

${explanations[format]}
Times are in UTC. Binary data is written in hexadecimal after \\x.

The folder "files", if there is one, has uploaded files as they are, each under the
identifier with which the tables refer to it, with an ending such as .pdf where the
kind of the file can be told.
`;
}
