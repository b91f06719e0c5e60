import { type EntityManager, raw } from '@mikro-orm/postgresql';
import { Document } from './document.entity.ts';
import { File } from './file.entity.ts';

/** Masks what people wrote of files in a clone of a tenant: names and titles may name people. The clone has no contents. */
export async function neutralize(em: EntityManager): Promise<void> {
  // Part of the id keeps them apart for those who test with the clone.
  const named = (noun: string) => raw(`'${noun} ' || left(id::text, 8)`);
  await em
    .createQueryBuilder(File)
    .update({ name: named('file') })
    .execute();
  await em
    .createQueryBuilder(Document)
    .update({ title: named('Document'), description: null })
    .execute();
}
