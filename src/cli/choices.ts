import { InvalidArgumentError, type Option } from 'commander';

/** Makes an option with choices accept them in any case. Its value is the choice as it is listed. */
export function anyCase(option: Option): Option {
  const { argChoices = [] } = option;
  return option.argParser((text: string) => {
    const found = argChoices.find((choice) => choice.toLowerCase() === text.toLowerCase());
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Allowed choices are ${argChoices.join(', ')}.`);
  });
}
