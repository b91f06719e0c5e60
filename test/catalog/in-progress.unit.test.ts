import { expect, it } from 'vitest';
import { InProgress } from '../../src/catalog/in-progress.ts';

it('is in progress until the last of the work that overlaps has ended', () => {
  const inProgress = new InProgress();
  {
    using _creating = inProgress.begin('one');
    {
      // Such as a deletion that is refused while the tenant is created.
      using _deleting = inProgress.begin('one');
      using _other = inProgress.begin('two');
      expect(inProgress.ids()).toEqual(['one', 'two']);
    }
    expect(inProgress.ids()).toEqual(['one']);
    expect(inProgress.has('two')).toBe(false);
  }
  expect(inProgress.has('one')).toBe(false);
});
