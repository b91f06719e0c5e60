import { type EntityManager, raw } from '@mikro-orm/postgresql';
import { File } from './file.entity.ts';

/** How much a tenant has stored. */
export interface Usage {
  readonly files: number;
  /** A number that may have more digits than JavaScript's. */
  readonly bytes: string;
}

/** Counts the stored files of a tenant. */
export async function usageOf(em: EntityManager): Promise<Usage> {
  const stored = em.createQueryBuilder(File).where({ status: 'STORED' });
  const sums = stored.select([raw('count(*)').as('files'), raw('coalesce(sum(size), 0)').as('bytes')]);
  const [row] = await sums.execute<Record<keyof Usage, string>[]>('all', false);
  return { files: Number(row?.files), bytes: String(row?.bytes) };
}
