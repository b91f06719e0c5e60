import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest, though they are small. */
const longest =
  /\/(faults\/|readme\.|create-crash\.|delete-crash\.|leak\.|lists\.|endless-|takeover\.|main\.|backfill\.|zero-downtime\.|changed-entities\.|deletion\.|migrate-new\.|graphiql\.|progress\.)/;

/**
 * The order in which files run. Without the durations of an earlier run Vitest begins with the largest files, and would come
 * to the longest tests last: one worker would run them, and the others would have nothing to do.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    // Files of a project stay together, because they share what has been loaded.
    const projects = [...new Set(sorted.map(({ project }) => project))];
    const rank = ({ project, moduleId }: TestSpecification) =>
      projects.indexOf(project) * 2 + (longest.test(moduleId) ? 0 : 1);
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}
