/** Only for the benchmark that measures what they cost: without them, statements are not observed and nothing is traced. */
export const instruments = { isOn: true };
